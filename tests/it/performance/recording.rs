//! A server that does not watch.

use serde_json::json;
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{TestDatabase, TestTenant, wait_until};

use super::{ENDPOINTS, SLOW};

#[tokio::test]
async fn who_is_not_to_watch_measures_nothing_and_counts_all_the_same_what_tenants_take() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__PERFORMANCE__RECORDING", "false")
        .with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "1000")
        .with("FAIRLEAD__HTTP__SLOW_REQUEST_MS", "1");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    for _ in 0..10 {
        acme.owner.get("/api/v1/users").await.expect(200);
    }

    // What plans go by is counted, and written down.
    wait_until("its use is told", async || {
        let usage = acme.owner.get("/api/v1/usage").await.expect(200);
        usage["thisMonth"]["requests"].as_u64() >= Some(10)
    })
    .await;
    let told = async |path: &str| operator.get(path).await.expect(200);
    let status = told("/api/v1/performance/status").await;
    assert_eq!(
        (&status["isRecording"], &status["routes"]),
        (&json!(false), &json!(0)),
        "{status:#}"
    );
    assert_eq!(told(ENDPOINTS).await["items"], json!([]));
    assert_eq!(told(SLOW).await["items"], json!([]));
    let health = told("/api/v1/performance/health").await;
    let parts = health["parts"].as_array().unwrap().iter();
    let mut latency = parts.filter(|part| part["component"] == "latency");
    let why = latency.next().unwrap().to_string();
    assert!(why.contains("performance.recording"), "{health:#}");
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let samples: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT kind || ' ' || name FROM perf.samples WHERE grain = 0")
            .fetch_all(&mut superuser)
            .await
            .unwrap();
    // One line by which it is known that an interval is written: who has doubts of a commit would count its use twice.
    assert_eq!(samples, ["gauge clients.open"]);
}
