//! One tenant's bulk, and a receiver that is gone, hold up nobody else.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use support::database::DatabaseRole;
use support::{Receiver, Reply, TestApp, TestTenant, wait_until};
use tokio::time::Instant;

use super::bench::{local, make, until_received};
use crate::events::relays::Machine;

/// Webhooks of the tenant that makes much at once, and what it makes.
const WEBHOOKS: usize = 40;
const LEADS: usize = 1_000;
const BULKS: usize = 4;

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

    for _ in 0..BULKS {
        make_leads(&acme, LEADS).await;
    }
    let (began, machine) = (Instant::now(), Machine::watch());
    umbrella.lead("Ann").await;
    until_received(&receiver, 1).await;
    let (took, stood_still) = (began.elapsed(), machine.stood_still());

    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let made = "SELECT count(*), count(DISTINCT (webhook_id, event_id)),
                       (SELECT count(*) FROM jobs WHERE kind = 'deliver-webhook' AND state = 'waiting')
                FROM webhook_deliveries WHERE state = 'PENDING'";
    let expected = i64::try_from(WEBHOOKS * LEADS * BULKS).unwrap();
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
    // Two seconds are meant, of a build that is made to be fast; who waits for the bulk waits for six here, and longer.
    assert!(
        took < Duration::from_secs(4) + stood_still,
        "{took:?}, {stood_still:?} of which for want of a machine"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_does_not_answer_holds_up_no_other_webhook_of_its_tenant() {
    let app = TestApp::start_with(|config| {
        local(config);
        config.jobs.webhooks.concurrency = 16;
        config.webhooks.timeout = Duration::from_secs(20);
        // What is on its way when the test is over is cut off.
        config.jobs.stop_timeout = Duration::ZERO;
    })
    .await;
    let acme = app.tenant("acme").await;
    let (silent, receiver) = (Receiver::start().await, Receiver::start().await);
    silent.reply(Reply::Silence);
    make(&acme.owner, &silent.url("/"), leads()).await;
    make(&acme.owner, &receiver.url("/"), leads()).await;

    let began = Instant::now();
    make_leads(&acme, 100).await;
    let came = until_received(&receiver, 100).await;
    let took = began.elapsed();

    let ids: BTreeSet<&str> = came.iter().map(|request| request.header("webhook-id")).collect();
    assert_eq!(ids.len(), 100);
    println!(
        "{} calls of the silent one are under way, the other had all after {} ms",
        silent.received().len(),
        took.as_millis()
    );
    assert!(took < Duration::from_secs(10), "{took:?}");
    // Of the four places of a tenant it has three at the most.
    assert!(silent.received().len() <= 3, "{}", silent.received().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_aside_for_a_receiver_that_failed_is_sent_when_it_is_well_again() {
    let app = TestApp::start_with(|config| {
        local(config);
        config.jobs.webhooks.concurrency = 16;
    })
    .await;
    let acme = app.tenant("acme").await;
    let (failing, receiver) = (Receiver::start().await, Receiver::start().await);
    failing.reply(Reply::Status(500));
    make(&acme.owner, &failing.url("/"), leads()).await;
    make(&acme.owner, &receiver.url("/"), leads()).await;
    make_leads(&acme, 50).await;
    until_received(&receiver, 50).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let aside = "SELECT count(*) FROM jobs WHERE kind = 'deliver-webhook' AND priority > 1000
                 AND state IN ('delayed', 'waiting', 'active')";
    wait_until("all for it stands aside", async || {
        let aside: i64 = sqlx::query_scalar(aside).fetch_one(&mut superuser).await.unwrap();
        aside == 50
    })
    .await;

    failing.reply(Reply::Status(204));

    wait_until("all was taken", async || {
        let taken = "SELECT count(*) FROM webhook_deliveries WHERE state = 'SUCCEEDED'";
        let taken: i64 = sqlx::query_scalar(taken).fetch_one(&mut superuser).await.unwrap();
        taken == 100
    })
    .await;
    let before = receiver.received().len();
    acme.lead("The last").await;
    until_received(&receiver, before + 1).await;
    let left: i64 = sqlx::query_scalar(aside).fetch_one(&mut superuser).await.unwrap();
    assert_eq!(left, 0, "nothing stands aside of one that is well");
}
