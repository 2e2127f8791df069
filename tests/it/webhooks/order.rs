//! In which order what waits is sent.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::{Client, Receiver, TestApp, TestTenant, wait_until};

use super::bench::{local, make, until_received};

/// Deliveries wait until they are let go.
async fn hold(app: &TestApp) -> Client {
    let operator = app.operator("olga").await;
    let stop = json!({"reason": "a test", "kind": "deliver-webhook"});
    operator
        .post("/api/v1/performance/jobs/webhooks/pause", stop)
        .await
        .expect(200);
    operator
}

async fn let_go(operator: &Client) {
    let resume = "/api/v1/performance/jobs/webhooks/resume?kind=deliver-webhook";
    operator
        .send(operator.request(Method::POST, resume))
        .await
        .expect(200);
}

async fn make_leads(acme: &TestTenant, from: usize, to: usize) {
    let leads: Vec<Value> = (from..to)
        .map(|number| json!({"name": format!("Lead {number:03}")}))
        .collect();
    acme.owner
        .post("/api/v1/leads/bulk", json!({ "leads": leads }))
        .await
        .expect(200);
}

async fn count(database: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(database).await.unwrap()
}

const PENDING: &str = "SELECT count(*) FROM webhook_deliveries WHERE state = 'PENDING'";
#[tokio::test]
async fn what_happens_now_does_not_wait_for_what_is_sent_once_more() {
    let app = TestApp::start_with(|config| {
        local(config);
        config.jobs.webhooks.concurrency = 1;
    })
    .await;
    let acme = app.tenant("acme").await;
    make_leads(&acme, 0, 20).await;
    let receiver = Receiver::start().await;
    let webhook = make(
        &acme.owner,
        &receiver.url("/"),
        json!({"events": ["lead_created"]}),
    )
    .await;
    let operator = hold(&app).await;
    let begun = acme
        .owner
        .post(&format!("{}/replay", webhook.path), json!({"cursor": null}))
        .await
        .expect(202);
    assert_eq!(
        (&begun["state"], &begun["succeeded"]),
        (&json!("RUNNING"), &json!(0))
    );
    let replay = format!("{}/replays/{}", webhook.path, begun["id"].as_str().unwrap());
    wait_until("all of it waits", async || {
        let seen = acme.owner.get(&replay).await.expect(200);
        seen["state"] == "COMPLETED" && seen["pending"] == 20
    })
    .await;
    acme.lead("Ann").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    wait_until("the new one waits, too", async || {
        count(&mut superuser, PENDING).await == 21
    })
    .await;

    let_go(&operator).await;

    let came = until_received(&receiver, 21).await;
    assert!(came[0].body.contains("Ann"), "{}", came[0].body);
    wait_until("all of it was taken", async || {
        let seen = acme.owner.get(&replay).await.expect(200);
        seen["pending"] == 0 && seen["succeeded"] == 20 && seen["endedAt"].is_string()
    })
    .await;
    // What was taken is not counted row by row, so it is not forgotten with the rows.
    let forget = "DELETE FROM webhook_deliveries WHERE id IN (
                      SELECT id FROM webhook_deliveries WHERE replay_id IS NOT NULL LIMIT 5)";
    superuser.execute(forget).await.unwrap();
    let cancel = "UPDATE webhook_deliveries SET state = 'CANCELED' WHERE id = (
                      SELECT id FROM webhook_deliveries WHERE replay_id IS NOT NULL LIMIT 1)";
    superuser.execute(cancel).await.unwrap();
    let seen = acme.owner.get(&replay).await.expect(200);
    assert_eq!((&seen["succeeded"], &seen["canceled"]), (&json!(19), &json!(1)));
    let other = make(&acme.owner, &receiver.url("/"), json!({})).await;
    let of_other = replay.replace(&webhook.id, &other.id);
    assert_eq!(acme.owner.get(&of_other).await.status, 404);
}
