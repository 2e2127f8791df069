//! How well a process is said to be.

use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{TestDatabase, TestTenant, wait_until};

use super::history::written;

fn part(health: &Value, component: &str) -> Value {
    let parts = health["parts"].as_array().unwrap();
    let found = parts.iter().find(|part| part["component"] == component);
    found
        .unwrap_or_else(|| panic!("no {component} in {health:#}"))
        .clone()
}

#[tokio::test]
async fn what_is_well_is_healthy_and_requests_that_fail_are_seen() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database).with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "1000");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    written(&operator, "").await;
    let health = async || operator.get("/api/v1/performance/health").await.expect(200);

    let well = health().await;

    for component in [
        "database", "pools", "memory", "disk", "cpu", "latency", "errors", "sockets", "jobs",
    ] {
        let part = part(&well, component);
        assert_eq!(part["state"], "measured", "{well:#}");
    }
    assert_eq!(part(&well, "errors")["value"], 0.0);
    assert_eq!(part(&well, "redis")["state"], "not-used");
    assert_eq!(part(&well, "replicas")["state"], "not-used");
    assert_eq!(part(&well, "broker")["state"], "not-used");
    assert_eq!(part(&well, "upstreams")["state"], "not-used");
    // Too little was asked for to say how well answers are kept, and so it is said.
    assert_eq!(part(&well, "cache")["state"], "missing");
    assert!(
        part(&well, "cache")["why"].as_str().unwrap().contains("answers"),
        "{well:#}"
    );
    assert_eq!(well["parts"].as_array().unwrap().len(), 14);
    // The disk and the load of the machine that tests run on are what they are.
    let others: f64 = ["pools", "errors", "sockets", "jobs"]
        .iter()
        .map(|component| part(&well, component)["points"].as_f64().unwrap())
        .sum();
    assert!((399.9..=400.0).contains(&others), "{well:#}");
    assert_eq!(well["isHealthy"], json!(well["verdict"] == "healthy"));

    // Whoever asks for carriers fails from now on.
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser
        .execute("ALTER TABLE carriers RENAME TO away")
        .await
        .unwrap();
    wait_until("failures are seen", async || {
        for _ in 0..5 {
            assert_eq!(acme.owner.get("/api/v1/carriers?limit=1").await.status, 500);
        }
        let health = health().await;
        health["heldDownBy"] == "errors" && health["verdict"] == "unhealthy"
    })
    .await;
}
