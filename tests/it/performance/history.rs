//! What all processes have written down.

use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{Client, TestDatabase, TestTenant, wait_until};

use super::{ENDPOINTS, endpoint};
use crate::events::retention::system_by;

/// The last interval is over, and written down.
pub(super) async fn written(operator: &Client, after: &str) -> String {
    let written_at = async || {
        let status = operator.get("/api/v1/performance/status").await.expect(200);
        status["writtenAt"].as_str().unwrap_or_default().to_owned()
    };
    wait_until("an interval is written down", async || {
        *written_at().await > *after
    })
    .await;
    written_at().await
}

#[tokio::test]
async fn what_two_processes_have_measured_is_one_history() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database).with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "1000");
    let (first, second) = (program.serve().await.unwrap(), program.serve().await.unwrap());
    let one = operator(&program, &first).await;
    let other = one.at(&second.url);
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let elsewhere = acme.owner.at(&second.url);
    for (client, times) in [(&acme.owner, 7), (&elsewhere, 5)] {
        for _ in 0..times {
            client.get("/api/v1/users").await.expect(200);
        }
    }

    // Two intervals each: the first to end may have begun before.
    for operator in [&one, &other] {
        let at = written(operator, "").await;
        written(operator, &written(operator, &at).await).await;
    }

    for operator in [&one, &other] {
        let endpoints = operator
            .get(&format!("{ENDPOINTS}?period=hour"))
            .await
            .expect(200);
        let users = endpoint(&endpoints, "GET", "/api/v1/users");
        assert_eq!(users["latency"]["count"], 12, "{users:#}");
        assert_eq!(users["statements"], Value::Null);
    }
    let own = other.get(ENDPOINTS).await.expect(200);
    assert_eq!(endpoint(&own, "GET", "/api/v1/users")["latency"]["count"], 5);
    let trends = one
        .get("/api/v1/performance/trends?period=hour")
        .await
        .expect(200);
    let points = trends["points"].as_array().unwrap();
    let of_points: u64 = points
        .iter()
        .map(|point| point["requests"]["count"].as_u64().unwrap())
        .sum();
    assert_eq!(trends["now"]["requests"], of_points);
    assert!(of_points >= 12 && trends["before"].is_null(), "{trends:#}");
    assert!(
        points
            .iter()
            .all(|point| point["residentBytes"].as_f64().unwrap() > 1e6),
        "{trends:#}"
    );
}

#[tokio::test]
async fn a_process_tells_how_it_fares_now_and_what_its_memory_is() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database).with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "1000");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let dashboard = async || operator.get("/api/v1/performance/dashboard").await.expect(200);
    let memory = async || operator.get("/api/v1/performance/memory/stats").await.expect(200);
    wait_until("an interval is over", async || {
        !dashboard().await["interval"].is_null()
    })
    .await;

    let (now, then) = (dashboard().await, memory().await);

    let interval = &now["interval"];
    let seconds = interval["seconds"].as_f64().unwrap();
    assert!((0.9..10.0).contains(&seconds), "{now:#}");
    let processors = interval["processors"].as_f64().unwrap();
    assert!(processors > 0.0 && processors < 64.0, "{now:#}");
    assert_eq!(now["pools"][0]["node"], "primary");
    let resident = then["residentBytes"].as_u64().unwrap();
    let pid = serving.pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    assert!(
        resident.abs_diff(kibibytes * 1_024) < resident / 10,
        "{then:#} for {line}"
    );
    assert!(
        then["growth"].is_null() && then["notes"].to_string().contains("half an hour"),
        "{then:#}"
    );

    // An hour ago each of two processes had 1 MB, and something else is of no matter.
    superuser
        .execute(
            "INSERT INTO perf.samples (grain, at, process, kind, name, class, looks, sum, highest)
             SELECT 0, now() - interval '1 hour', p, 'gauge', name, 0, 1, 1e6, 1e6
             FROM (VALUES ('a'), ('b')) AS of (p), (VALUES ('process.resident_bytes'), ('cache.bytes')) AS gauges (name)",
        )
        .await
        .unwrap();
    let growth = &memory().await["growth"];
    assert_eq!(growth["fromBytes"], 1e6, "{growth:#}");
    let an_hour = growth["bytesPerHour"].as_f64().unwrap();
    let resident = then["residentBytes"].as_f64().unwrap();
    assert!(
        an_hour > resident * 0.5 && an_hour < resident * 2.0,
        "{an_hour} of {resident}"
    );
}

#[tokio::test]
async fn what_cannot_be_written_down_is_kept_and_written_later() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database).with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "1000");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut owner = database.connect(DatabaseRole::Superuser).await;
    owner
        .execute("ALTER TABLE perf.samples RENAME TO away")
        .await
        .unwrap();
    let status = async || operator.get("/api/v1/performance/status").await.expect(200);
    wait_until("it fails", async || !status().await["failingSince"].is_null()).await;
    for _ in 0..9 {
        acme.owner.get("/api/v1/users").await.expect(200);
    }
    owner
        .execute("ALTER TABLE perf.away RENAME TO samples")
        .await
        .unwrap();
    wait_until("it is well", async || status().await["failingSince"].is_null()).await;
    written(&operator, &written(&operator, "").await).await;

    let endpoints = operator.get(&format!("{ENDPOINTS}?period=day")).await.expect(200);

    assert_eq!(
        endpoint(&endpoints, "GET", "/api/v1/users")["latency"]["count"],
        9
    );
}

/// Two processes measured each minute of three hours three days ago; each hour of two days a hundred days ago is known
/// already; and something was measured just now. A request took 5 us, and its sketch is written as it is by hand.
const OLD: &str = "
    INSERT INTO perf.samples (grain, at, process, kind, name, class, looks, sum, highest, sketch)
    SELECT 0, date_trunc('hour', now() - interval '72 hours') + n * interval '1 minute', p, 'route', 'GET /api/v1/leads', 2,
           1, 0, 0, '\\x01882788270501'
    FROM generate_series(0, 179) AS n, (VALUES ('a'), ('b')) AS of (p);
    INSERT INTO perf.samples (grain, at, process, kind, name, class, looks, sum, highest)
    SELECT 1, date_trunc('day', now() - interval '100 days', 'UTC') + n * interval '1 hour', '', 'gauge', 'memory', 0, 2, 10, n
    FROM generate_series(0, 47) AS n;
    INSERT INTO perf.samples (grain, at, process, kind, name, class, looks, sum, highest, sketch)
    VALUES (0, now() - interval '1 hour', 'a', 'route', 'GET /api/v1/leads', 2, 1, 0, 0, '\\x01882788270501')";

const LATE: &str = "
    INSERT INTO perf.samples (grain, at, process, kind, name, class, looks, sum, highest, sketch)
    VALUES (0, date_trunc('hour', now() - interval '72 hours') + interval '59 minutes', 'late', 'route',
            'GET /api/v1/leads', 2, 1, 0, 0, '\\x01882788270501')";

#[tokio::test]
async fn what_is_old_becomes_hours_and_days_and_loses_nothing() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser.execute(OLD).await.unwrap();
    // What is dated here is dated by the database's clock.
    let (system, cluster) = system_by(&database, Arc::new(fairlead::SystemClock)).await;

    system.thin_samples().await.unwrap();
    // A process that could not write for days.
    superuser.execute(LATE).await.unwrap();
    for _ in 0..2 {
        system.thin_samples().await.unwrap();
    }

    cluster.close().await;
    let left: Vec<(i32, i64, i64, f64, f64)> = sqlx::query_as(
        "SELECT grain, count(*), sum(looks)::bigint, sum(sum), max(highest) FROM perf.samples GROUP BY grain ORDER BY 1",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    assert_eq!(
        left,
        [
            (0, 1, 1, 0.0, 0.0),
            (1, 3, 361, 0.0, 0.0),
            (2, 2, 96, 480.0, 47.0)
        ]
    );
    let program = Program::on(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let week = operator
        .get(&format!("{ENDPOINTS}?period=week"))
        .await
        .expect(200);
    let leads = endpoint(&week, "GET", "/api/v1/leads");
    assert_eq!(
        (&leads["latency"]["count"], &leads["latency"]["maxMs"]),
        (&json!(362), &json!(0.005))
    );
    let trends = operator
        .get("/api/v1/performance/trends?period=week")
        .await
        .expect(200);
    let of_points = |points: &Value| -> Vec<u64> {
        let points = points.as_array().unwrap().iter();
        points
            .map(|point| point["requests"]["count"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(of_points(&trends["points"]).iter().sum::<u64>(), 362);
    assert_eq!(trends["changes"]["p95Ms"]["verdict"], "unknown");
}
