//! One tenant's bulk holds up nobody else.

use std::time::Duration;

use serde_json::{Value, json};
use support::database::DatabaseRole;
use support::{Receiver, TestApp, TestTenant, wait_until};
use tokio::time::Instant;

use super::bench::{local, make, until_received};

/// Webhooks of the tenant that makes much at once, and what it makes.
const WEBHOOKS: usize = 40;
const LEADS: usize = 1_000;

fn leads() -> Value {
    json!({"events": ["lead_created"]})
}

async fn make_leads(tenant: &TestTenant, count: usize) {
    let leads: Vec<Value> = (0..count)
        .map(|number| json!({ "name": format!("Lead {number:04}") }))
        .collect();
    let bulk = json!({ "leads": leads });
    tenant.owner.post("/api/v1/leads/bulk", bulk).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tenant_makes_in_bulk_holds_up_no_other_tenants_webhook_and_is_all_sent_once() {
    let app = TestApp::start_with(local).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let receiver = Receiver::start().await;
    // What is made of it is looked at, and not sent: that is another queue's work.
    let operator = app.operator("olga").await;
    let pause = json!({"reason": "a test", "kind": "deliver-webhook", "tenantId": acme.id});
    let paused = operator.post("/api/v1/performance/jobs/webhooks/pause", pause);
    paused.await.expect(200);
    for number in 0..WEBHOOKS {
        make(&acme.owner, &receiver.url(&format!("/{number}")), leads()).await;
    }
    make(&umbrella.owner, &receiver.url("/umbrella"), leads()).await;

    make_leads(&acme, LEADS).await;
    let began = Instant::now();
    umbrella.lead("Ann").await;
    until_received(&receiver, 1).await;
    let took = began.elapsed();

    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let made = "SELECT count(*), count(DISTINCT (webhook_id, event_id)),
                       (SELECT count(*) FROM jobs WHERE kind = 'deliver-webhook' AND state = 'waiting')
                FROM webhook_deliveries WHERE state = 'PENDING'";
    let expected = i64::try_from(WEBHOOKS * LEADS).unwrap();
    let mut last = (0, 0, 0);
    wait_until("all deliveries of the bulk are made", async || {
        let now: (i64, i64, i64) = sqlx::query_as(made).fetch_one(&mut superuser).await.unwrap();
        let is_growing = now.0 > last.0;
        last = now;
        now.0 >= expected && !is_growing
    })
    .await;
    assert_eq!(last, (expected, expected, expected));
    println!(
        "{expected} deliveries were made within {} ms; another tenant's webhook was called after {} ms",
        began.elapsed().as_millis(),
        took.as_millis()
    );
    assert!(took < Duration::from_secs(2), "{took:?}");
}
