//! What becomes of what is not taken.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::{Client, Receiver, Reply, TestApp, wait_until};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::bench::{Made, deliveries, events, kind, local, make, post, start, until_newest, until_received};

fn leads() -> Value {
    json!({"events": ["lead_created"]})
}

fn moment(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(value.as_str().unwrap(), &Rfc3339).unwrap()
}

#[tokio::test]
async fn what_is_not_taken_comes_again_under_the_same_id_until_it_is() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(&acme.owner, &receiver.url("/"), leads()).await;
    receiver.reply_next([500, 404, 301, 503].map(Reply::Status));

    acme.lead("Ann").await;

    let came = until_received(&receiver, 5).await;
    let delivery = until_newest(&acme.owner, &webhook, "SUCCEEDED").await;
    for again in &came {
        assert_eq!(again.header("webhook-id"), came[0].header("webhook-id"));
        assert_eq!(again.body, came[0].body);
        assert!(super::bench::is_signed(again, &webhook.secret));
    }
    assert_eq!(
        (&delivery["attempts"], &delivery["statusCode"]),
        (&json!(5), &json!(200))
    );
    let shown = acme.owner.get(&webhook.path).await.expect(200);
    assert_eq!((&shown["enabled"], &shown["version"]), (&json!(true), &json!(1)));
    assert_eq!(receiver.received().len(), 5);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_says_so() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let (receiver, secret) = (Receiver::start().await, Receiver::start().await);
    let webhook = make(&acme.owner, &receiver.url("/"), leads()).await;
    receiver.reply(Reply::Header(307, "location", secret.url("/internal")));

    post(&acme.owner, &format!("{}/ping", webhook.path))
        .await
        .expect(202);
    let failed = until_newest(&acme.owner, &webhook, "FAILED").await;

    assert_eq!(failed["statusCode"], 307);
    assert_eq!(
        failed["fault"],
        "the receiver answered 307, a redirect, and those are not followed: give the URL that it leads to"
    );
    assert_eq!((receiver.received().len(), secret.received().len()), (1, 0));
}

#[tokio::test]
async fn a_receiver_says_when_it_wants_to_be_asked_again_and_a_tenant_can_ask_sooner() {
    let app = TestApp::start_with(|config| {
        local(config);
        config.jobs.webhooks.max_backoff = Duration::from_hours(2);
    })
    .await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(&acme.owner, &receiver.url("/"), leads()).await;
    receiver.reply_next([
        Reply::Header(429, "retry-after", "3600".to_owned()),
        Reply::Header(503, "retry-after", "1000000".to_owned()),
    ]);
    let newest = async |attempts: u64| {
        let mut newest = Value::Null;
        wait_until("an attempt has ended", async || {
            newest = deliveries(&acme.owner, &webhook)
                .await
                .first()
                .cloned()
                .unwrap_or_default();
            newest["attempts"] == attempts
        })
        .await;
        let waits = moment(&newest["nextAttemptAt"]) - moment(&newest["lastAttemptAt"]);
        (
            waits.whole_minutes(),
            format!(
                "{}/deliveries/{}/retry",
                webhook.path,
                newest["id"].as_str().unwrap()
            ),
        )
    };

    acme.lead("Ann").await;
    let (first, retry) = newest(1).await;
    let pending = post(&acme.owner, &retry).await.expect(202);
    let (second, _) = newest(2).await;
    post(&acme.owner, &retry).await.expect(202);
    let taken = until_newest(&acme.owner, &webhook, "SUCCEEDED").await;
    // Once more, although it was taken.
    post(&acme.owner, &retry).await.expect(202);
    until_received(&receiver, 4).await;

    assert_eq!(
        (first, second),
        (60, 120),
        "what the receiver says, but two hours at the most"
    );
    assert_eq!(pending["state"], "PENDING");
    assert_eq!(taken["attempts"], 3);
    let ids: Vec<String> = receiver
        .received()
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_sent_nothing_any_more() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(&acme.owner, &receiver.url("/"), leads()).await;
    receiver.reply(Reply::Status(410));

    acme.lead("Ann").await;
    let failed = until_newest(&acme.owner, &webhook, "FAILED").await;
    acme.lead("Bob").await;

    assert_eq!(
        (&failed["attempts"], &failed["statusCode"]),
        (&json!(1), &json!(410))
    );
    let shown = acme.owner.get(&webhook.path).await.expect(200);
    assert_eq!(
        (&shown["enabled"], &shown["disabledReason"]),
        (&json!(false), &json!("GONE"))
    );
    assert!(shown["disabledAt"].is_string());
    assert_eq!(
        told(&app, &acme.owner, &webhook).await,
        ("system".to_owned(), "GONE".to_owned())
    );
    let retry = format!(
        "{}/deliveries/{}/retry",
        webhook.path,
        failed["id"].as_str().unwrap()
    );
    assert_eq!(post(&acme.owner, &retry).await.problem(), "conflict");

    acme.owner
        .patch(&webhook.path, json!({"enabled": true}))
        .await
        .expect(200);
    receiver.reply(Reply::Status(200));
    acme.lead("Cid").await;
    let came = until_received(&receiver, 2).await;
    assert!(came[1].body.contains("Cid"));
}

/// Who has disabled a webhook, and why, by its event and the audit trail.
async fn told(app: &TestApp, owner: &Client, webhook: &Made) -> (String, String) {
    let mut found = Vec::new();
    wait_until("the event can be read", async || {
        found = events(owner, "&type=webhook_disabled").await;
        !found.is_empty()
    })
    .await;
    assert_eq!(found.len(), 1);
    let event = found.remove(0);
    assert_eq!(event["aggregateid"], webhook.id);
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let audited: String = sqlx::query_scalar(
        "SELECT actor || ' ' || (after ->> 'disabledReason') FROM audit_log WHERE action = 'webhook_disabled'",
    )
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    let (actor, reason) = (
        event["actor"].as_str().unwrap().to_owned(),
        event["data"]["disabledReason"].as_str().unwrap().to_owned(),
    );
    assert_eq!(audited, format!("{actor} {reason}"));
    (actor, reason)
}

#[tokio::test]
async fn a_webhook_that_takes_nothing_for_a_day_is_disabled_and_can_be_enabled_again() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(&acme.owner, &receiver.url("/"), leads()).await;
    receiver.reply(Reply::Status(500));
    acme.lead("Ann").await;
    until_received(&receiver, 3).await;

    // It is tried all the time, which is what counts.
    for _ in 0..23 {
        app.clock.advance(time::Duration::hours(1));
        let so_far = receiver.received().len();
        until_received(&receiver, so_far + 2).await;
    }
    let owner = acme.log_in().await;
    assert_eq!(owner.get(&webhook.path).await.expect(200)["enabled"], true);
    app.clock.advance(time::Duration::minutes(61));
    let owner = acme.log_in().await;
    let failed = until_newest(&owner, &webhook, "FAILED").await;

    assert_eq!(failed["fault"], "the receiver answered 500");
    let shown = owner.get(&webhook.path).await.expect(200);
    assert_eq!(
        (&shown["enabled"], &shown["disabledReason"]),
        (&json!(false), &json!("FAILING"))
    );
    assert_eq!(
        told(&app, &owner, &webhook).await,
        ("system".to_owned(), "FAILING".to_owned())
    );

    // What it failed of before does not count any more.
    owner
        .patch(&webhook.path, json!({"enabled": true}))
        .await
        .expect(200);
    let so_far = receiver.received().len();
    owner
        .post("/api/v1/leads", json!({"name": "Bob"}))
        .await
        .expect(201);
    until_received(&receiver, so_far + 3).await;
    receiver.reply(Reply::Status(200));
    until_newest(&owner, &webhook, "SUCCEEDED").await;
    assert_eq!(owner.get(&webhook.path).await.expect(200)["enabled"], true);
}

#[tokio::test]
async fn an_event_that_is_refused_for_a_day_does_not_disable_a_webhook_that_takes_others() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(&acme.owner, &receiver.url("/"), leads()).await;
    receiver.reply(Reply::Status(500));
    acme.lead("Poison").await;
    until_received(&receiver, 2).await;
    // It waits, while another is taken.
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    wait_until("the job waits", async || {
        let held = "UPDATE jobs SET run_at = 'infinity' WHERE state = 'delayed' AND kind = 'deliver-webhook'";
        superuser.execute(held).await.unwrap().rows_affected() == 1
    })
    .await;
    receiver.reply(Reply::Status(200));
    acme.lead("Ann").await;
    until_newest(&acme.owner, &webhook, "SUCCEEDED").await;

    receiver.reply(Reply::Status(500));
    app.clock.advance(time::Duration::hours(25));
    superuser
        .execute("UPDATE jobs SET run_at = now() WHERE run_at = 'infinity'")
        .await
        .unwrap();

    let owner = acme.log_in().await;
    wait_until("it is given up", async || {
        deliveries(&owner, &webhook).await[1]["state"] == "FAILED"
    })
    .await;
    assert_eq!(owner.get(&webhook.path).await.expect(200)["enabled"], true);
}

#[tokio::test]
async fn what_waits_for_a_webhook_that_was_disabled_is_canceled_and_of_one_that_was_deleted_forgotten() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    receiver.reply(Reply::Status(500));
    let disabled = make(&acme.owner, &receiver.url("/"), leads()).await;
    let deleted = make(&acme.owner, &receiver.url("/"), leads()).await;
    acme.lead("Ann").await;
    until_received(&receiver, 4).await;

    acme.owner
        .patch(&disabled.path, json!({"enabled": false}))
        .await
        .expect(200);
    acme.owner.delete(&deleted.path).await.expect(204);

    until_newest(&acme.owner, &disabled, "CANCELED").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    wait_until("no job of a delivery is left", async || {
        let left = "SELECT count(*) FROM jobs WHERE kind = 'deliver-webhook' AND state <> 'completed'";
        sqlx::query_scalar::<_, i64>(left)
            .fetch_one(&mut superuser)
            .await
            .unwrap()
            == 0
    })
    .await;
    let pending = "SELECT count(*) FROM webhook_deliveries WHERE state = 'PENDING'";
    let pending: i64 = sqlx::query_scalar(pending)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!(
        pending, 0,
        "what nobody tries any more would never be cleared away"
    );
    assert_eq!(
        acme.owner
            .get(&format!("{}/deliveries", deleted.path))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn receivers_that_do_not_answer_hold_up_neither_the_database_nor_other_tenants() {
    let app = TestApp::start_with(|config| {
        local(config);
        config.jobs.webhooks.concurrency = 12;
        config.webhooks.timeout = Duration::from_secs(20);
        // What is on its way when the test is over is cut off.
        config.jobs.stop_timeout = Duration::ZERO;
    })
    .await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let umbrella = app.tenant("umbrella").await;
    let (silent, receiver) = (Receiver::start().await, Receiver::start().await);
    silent.reply(Reply::Silence);
    for tenant in [&acme, &globex] {
        make(&tenant.owner, &silent.url("/"), leads()).await;
    }
    make(&umbrella.owner, &receiver.url("/"), leads()).await;
    for number in 0..10 {
        for tenant in [&acme, &globex] {
            tenant.lead(&format!("Lead {number}")).await;
        }
    }
    until_received(&silent, 6).await;

    umbrella.lead("Ann").await;
    let came = until_received(&receiver, 1).await;

    assert_eq!(kind(&came[0]), "lead_created");
    // All that one webhook of a tenant may have at once, and none has ended.
    assert_eq!(silent.received().len(), 6);
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND xact_start < now() - interval '1 s'",
    )
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    assert_eq!(open, 0, "a transaction is open while a receiver is waited for");
}
