//! How the platform has fared, in short.

use reqwest::Method;
use serde_json::json;
use sqlx::Executor as _;
use support::TestDatabase;
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;

/// Each hour of two weeks had nine requests that took 5 us and, in the second week, one that took 9 us and failed.
const WEEKS: &str = "
    INSERT INTO perf.samples (grain, at, process, kind, name, class, looks, sum, highest, sketch)
    SELECT 1, date_trunc('hour', now()) - n * interval '1 hour', '', 'route', 'GET /api/v1/leads', 2, 9, 0, 0,
           '\\x01c8df0288270509'
    FROM generate_series(1, 334) AS n;
    INSERT INTO perf.samples (grain, at, process, kind, name, class, looks, sum, highest, sketch)
    SELECT 1, date_trunc('hour', now()) - n * interval '1 hour', '', 'route', 'GET /api/v1/users', 5, 1, 0, 0,
           '\\x01a846a8460901'
    FROM generate_series(1, 167) AS n";

#[tokio::test]
async fn a_week_is_told_beside_the_one_before() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser.execute(WEEKS).await.unwrap();
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let path = "/api/v1/performance/report?period=week";

    let report = operator.get(path).await.expect(200);
    let markdown = operator
        .send(operator.request(Method::GET, &format!("{path}&format=markdown")))
        .await;

    let (now, before) = (&report["now"], &report["before"]);
    assert_eq!(
        (&now["requests"], &now["errorRatio"], &now["p99Ms"]),
        (&json!(1670), &json!(0.1), &json!(0.009)),
        "{report:#}"
    );
    assert_eq!(before["errorRatio"], 0.0, "{report:#}");
    assert_eq!(before["requests"], 1503, "{report:#}");
    assert_eq!(report["changes"]["errorRatio"]["verdict"], "worse");
    let routes = report["routes"].as_array().unwrap();
    let told: Vec<_> = routes
        .iter()
        .map(|of| (&of["route"], &of["requests"], &of["errorRatio"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("/api/v1/leads"), &json!(1503), &json!(0.0)),
            (&json!("/api/v1/users"), &json!(167), &json!(1.0)),
        ]
    );
    assert_eq!(report["tenants"], json!([]));
    assert_eq!(markdown.status, 200);
    let text = String::from_utf8(markdown.body).unwrap();
    assert!(text.starts_with("# Performance of the last week\n"), "{text}");
    assert!(text.contains("| failed | 10.00 % | 0.00 % | worse |"), "{text}");
    assert!(text.contains("| `GET /api/v1/users` | 167 |"), "{text}");
}
