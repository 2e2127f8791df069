//! What operators have shown anew, and what must be there for that.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{Client, TestDatabase, TestTenant};

use super::history::written;
use super::{ENDPOINTS, SLOW, endpoint};

async fn post(operator: &Client, path: &str) -> Value {
    operator
        .send(operator.request(reqwest::Method::POST, path))
        .await
        .expect(200)
}

#[tokio::test]
async fn what_is_shown_begins_anew_and_what_is_written_down_stays() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database).with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "1000");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let ask = async |times: usize| {
        for _ in 0..times {
            acme.owner.get("/api/v1/carriers?limit=1").await.expect(200);
        }
    };
    let counted = async |path: &str| {
        let endpoints = operator.get(path).await.expect(200);
        endpoint(&endpoints, "GET", "/api/v1/carriers")["latency"]["count"].clone()
    };
    ask(7).await;
    assert_eq!(counted(ENDPOINTS).await, 7);

    let reset = post(&operator, "/api/v1/performance/reset").await;

    assert!(reset["requests"].as_u64().unwrap() >= 7, "{reset:#}");
    assert!(reset["seconds"].as_f64().unwrap() > 0.0, "{reset:#}");
    ask(3).await;
    assert_eq!(counted(ENDPOINTS).await, 3);
    let stats = operator.get("/api/v1/performance/stats").await.expect(200);
    let answers = stats["statuses"]["200"].as_u64().unwrap();
    assert!((3..7).contains(&answers), "{stats:#}");
    let slow = operator.get(&format!("{SLOW}?limit=500")).await.expect(200);
    let kept = slow["items"].as_array().unwrap();
    assert!(
        kept.iter().all(|kept| kept["route"] != "/api/v1/auth/signup"),
        "{slow:#}"
    );

    // All ten are written down, and every process tells of them.
    written(&operator, &written(&operator, "").await).await;
    assert_eq!(counted(&format!("{ENDPOINTS}?period=hour")).await, 10);
    let hour = operator
        .get("/api/v1/performance/stats?period=hour")
        .await
        .expect(200);
    let answers = hour["statuses"]["2xx"].as_u64().unwrap();
    assert!(
        answers >= 10 && hour["latency"]["count"].as_u64().unwrap() >= answers,
        "{hour:#}"
    );
    assert_eq!(hour["database"]["rows"], Value::Null);
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let acts: Vec<String> =
        sqlx::query_scalar("SELECT actor FROM audit_log WHERE action = 'performance_reset'")
            .fetch_all(&mut superuser)
            .await
            .unwrap();
    assert_eq!(acts, ["operator:test"]);
    let refused = acme
        .owner
        .request(reqwest::Method::POST, "/api/v1/performance/reset");
    assert_eq!(acme.owner.send(refused).await.status, 403);
}

#[tokio::test]
async fn what_makes_partitions_waits_for_no_writer_and_holds_up_none() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    post(&operator, "/api/v1/performance/initialize").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let last = "SELECT max(inhrelid::regclass::text) FROM pg_inherits
                WHERE inhparent = 'events'::regclass AND inhrelid::regclass::text ~ '[0-9]$'";
    let last: String = sqlx::query_scalar(last).fetch_one(&mut superuser).await.unwrap();
    superuser
        .execute(AssertSqlSafe(format!("DROP TABLE {last}")))
        .await
        .unwrap();
    // As one has who has written an event.
    let mut writer = database.connect(DatabaseRole::Superuser).await;
    writer
        .execute("BEGIN; LOCK TABLE events IN ROW EXCLUSIVE MODE")
        .await
        .unwrap();

    let began = Instant::now();
    let request = operator.request(reqwest::Method::POST, "/api/v1/performance/initialize");
    let refused = operator.send(request).await;

    assert_eq!(refused.status, 503, "{}", refused.json());
    assert!(refused.header("retry-after").is_some());
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    writer.execute("ROLLBACK").await.unwrap();
    let made = post(&operator, "/api/v1/performance/initialize").await;
    assert_eq!(made["partitions"]["made"], 1, "{made:#}");
}

#[tokio::test]
async fn what_was_taken_away_is_made_again_and_what_operators_changed_stays() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let initialize = async || post(&operator, "/api/v1/performance/initialize").await;
    initialize().await;
    let found = initialize().await;
    assert_eq!(found["isReady"], true, "{found:#}");
    assert_eq!(found["alerts"], json!({ "found": 19, "made": 0 }), "{found:#}");
    assert_eq!(found["partitions"]["made"], 0, "{found:#}");
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser
        .execute(
            "DELETE FROM perf.alert_rules WHERE key IN ('cpu', 'memory');
             UPDATE perf.alert_rules SET warning = 3, changed_by = 'olga', changed_at = now() WHERE key = 'sockets'",
        )
        .await
        .unwrap();

    let made = initialize().await;

    assert_eq!(made["alerts"], json!({ "found": 17, "made": 2 }), "{made:#}");
    let sockets = operator
        .get("/api/v1/performance/alerts/rules/sockets")
        .await
        .expect(200);
    assert_eq!(
        (&sockets["warning"], &sockets["changedBy"]),
        (&json!(3.0), &json!("olga"))
    );
}
