//! How much may wait, and in which order.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgConnection;
use support::database::DatabaseRole;
use support::{Client, Receiver, TestApp, TestTenant, wait_until};

use super::bench::{deliveries, local, make, until_newest, until_received};

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

fn names(receiver: &Receiver) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for came in receiver.received() {
        let event: Value = serde_json::from_str(&came.body).unwrap();
        let name = event["data"]["name"].as_str().unwrap().to_owned();
        *names.entry(name).or_default() += 1;
    }
    names
}

async fn count(database: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(database).await.unwrap()
}

const PENDING: &str = "SELECT count(*) FROM webhook_deliveries WHERE state = 'PENDING'";
const MOST: &str = "
    SELECT COALESCE(max(waiting), 0) FROM (
        SELECT count(*) AS waiting FROM webhook_deliveries WHERE state = 'PENDING' GROUP BY webhook_id) AS of_each";

#[tokio::test]
async fn what_there_is_no_room_for_stays_in_the_log_and_is_sent_from_there() {
    let app = TestApp::start_with(|config| {
        local(config);
        config.webhooks.max_pending_per_tenant = 100;
    })
    .await;
    let acme = app.tenant("acme").await;
    let operator = hold(&app).await;
    let receivers = [Receiver::start().await, Receiver::start().await];
    let wants = || json!({"events": ["lead_created"]});
    let first = make(&acme.owner, &receivers[0].url("/"), wants()).await;
    make(&acme.owner, &receivers[1].url("/"), wants()).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;

    for from in [0, 100, 200] {
        make_leads(&acme, from, from + 100).await;
    }
    wait_until("all events are looked at", async || {
        let left = "SELECT count(*) FROM webhook_replays AS r WHERE state = 'RUNNING' AND (until_xid, until_position)
                    = (SELECT xid, position FROM events WHERE type = 'lead_created' ORDER BY xid DESC, position DESC LIMIT 1)";
        count(&mut superuser, left).await == 2
    })
    .await;

    assert_eq!(count(&mut superuser, PENDING).await, 100);
    assert_eq!(
        count(&mut superuser, MOST).await,
        50,
        "each has an equal part of what its tenant may have"
    );
    let_go(&operator).await;
    for receiver in &receivers {
        until_received(receiver, 300).await;
    }
    let expected: BTreeMap<String, usize> = (0..300).map(|number| (format!("Lead {number:03}"), 1)).collect();
    for receiver in &receivers {
        assert_eq!(names(receiver), expected);
    }
    let told = acme
        .owner
        .get("/api/v1/events?type=webhook_replay_started")
        .await
        .expect(200);
    let told = told["items"].as_array().unwrap();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|event| event["actor"] == "system"), "{told:?}");
    let running = "SELECT count(*) FROM webhook_replays WHERE state = 'RUNNING'";
    wait_until("they have caught up", async || {
        count(&mut superuser, running).await == 0
    })
    .await;
    acme.lead("Ann").await;
    let newest = until_newest(&acme.owner, &first, "SUCCEEDED").await;
    wait_until("what is new is sent as it happens", async || {
        let newest = deliveries(&acme.owner, &first).await.remove(0);
        newest["replayId"].is_null() && newest["state"] == "SUCCEEDED"
    })
    .await;
    assert!(newest["attempts"] == 1);
    println!("600 deliveries with no more than 100 waiting, each event once");
}

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
    let other = make(&acme.owner, &receiver.url("/"), json!({})).await;
    let of_other = replay.replace(&webhook.id, &other.id);
    assert_eq!(acme.owner.get(&of_other).await.status, 404);
}
