//! Whose load slows others down.

use fairlead_telemetry::spawn;
use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{Client, TestDatabase, TestTenant, wait_until};

use super::bottlenecks::SLOW_CARRIERS;
use super::planted::row;

const NOISY: &str = "/api/v1/performance/tenants/noisy";

/// Ten requests of one who is in no hurry.
async fn ask(client: &Client) {
    for _ in 0..10 {
        client.get("/api/v1/users").await.expect(200);
    }
}

/// Forty requests by as many at once as there are connections, and more.
async fn hammer(client: &Client) {
    let all: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            spawn(async move {
                for _ in 0..5 {
                    client.get("/api/v1/carriers").await.expect(200);
                }
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn who_slows_others_down_is_named_with_its_route_and_its_victims() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "1000")
        .with("FAIRLEAD__DATABASE__POOL__MAX", "2")
        .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "false");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let umbrella = TestTenant::sign_up(serving.anonymous(), "umbrella").await;
    let carrier = json!({ "name": "Acme Mutual" });
    acme.owner.post("/api/v1/carriers", carrier).await.expect(201);
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser.execute(SLOW_CARRIERS).await.unwrap();
    let look = async || operator.get(NOISY).await.expect(200);

    // While nobody does more than another, there is nothing to be found, whatever it takes.
    let mut told = Value::Null;
    wait_until("five seconds can be compared with five", async || {
        ask(&umbrella.owner).await;
        acme.owner.get("/api/v1/carriers").await.expect(200);
        told = look().await;
        told["seconds"].as_f64() >= Some(5.0)
    })
    .await;
    assert_eq!(told["items"], json!([]), "{told:#}");

    wait_until("it is found", async || {
        tokio::join!(hammer(&acme.owner), ask(&umbrella.owner));
        told = look().await;
        told["items"][0].is_object()
    })
    .await;

    let noisy = &told["items"][0];
    assert_eq!(noisy["tenantId"], acme.id, "{told:#}");
    assert_eq!(noisy["route"], "GET /api/v1/carriers");
    assert!(noisy["databaseRatio"].as_f64() > Some(0.5), "{told:#}");
    let victim = &noisy["victims"][0];
    assert_eq!(victim["tenantId"], umbrella.id, "{told:#}");
    assert_eq!(victim["route"], "GET /api/v1/users");
    let [before, after] = ["p95BeforeMs", "p95Ms"].map(|name| victim[name].as_f64().unwrap());
    assert!(after >= 1.5 * before && after >= before + 5.0, "{told:#}");
    assert_eq!(told["items"].as_array().unwrap().len(), 1);
    assert_eq!(noisy["advice"]["act"], "limit-tenant", "{told:#}");
    row(
        "a tenant that takes it all",
        "noisy-neighbour, by tenant, route and victim",
        after - before,
        noisy["databaseRatio"].as_f64().unwrap(),
        "limit-tenant",
    );
}
