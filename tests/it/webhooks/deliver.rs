//! What is sent, to whom, and how it is signed.

use fairlead_domain::clock::Clock as _;
use serde_json::{Value, json};
use support::{Receiver, wait_until};

use super::bench::{deliveries, events, is_signed, kind, make, post, start, until_newest, until_received};

#[tokio::test]
async fn an_event_is_posted_as_it_stands_in_the_log_and_signed() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(
        &acme.owner,
        &receiver.url("/hook?token=1"),
        json!({"events": ["lead_created"]}),
    )
    .await;

    acme.lead("Ann").await;

    let came = until_received(&receiver, 1).await.remove(0);
    let event = events(&acme.owner, "&type=lead_created").await.remove(0);
    assert_eq!(serde_json::from_str::<Value>(&came.body).unwrap(), event);
    assert_eq!(came.path, "/hook?token=1");
    assert_eq!(came.header("webhook-id"), event["id"]);
    assert_eq!(came.header("content-type"), "application/cloudevents+json");
    assert_eq!(
        came.header("user-agent"),
        concat!("Fairlead/", env!("CARGO_PKG_VERSION"))
    );
    let sent: i64 = came.header("webhook-timestamp").parse().unwrap();
    let age = app.clock.now().unix_timestamp() - sent;
    assert!((0..60).contains(&age), "{age} s");
    assert!(is_signed(&came, &webhook.secret), "{came:?}");
    assert!(!is_signed(
        &came,
        "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    ));

    let delivery = until_newest(&acme.owner, &webhook, "SUCCEEDED").await;
    assert_eq!(
        (&delivery["eventId"], &delivery["eventType"]),
        (&event["id"], &json!("lead_created"))
    );
    assert_eq!(
        (&delivery["attempts"], &delivery["statusCode"]),
        (&json!(1), &json!(200))
    );
    assert_eq!(
        (&delivery["fault"], &delivery["nextAttemptAt"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        delivery["tookMs"].as_f64().is_some() && delivery["endedAt"].is_string(),
        "{delivery}"
    );
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_webhook_is_sent_what_it_wants_of_its_own_tenant_since_it_is_there() {
    let app = start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let (all, some) = (Receiver::start().await, Receiver::start().await);
    acme.lead("Before").await;
    let of_all = make(&acme.owner, &all.url("/"), json!({})).await;
    make(
        &acme.owner,
        &some.url("/"),
        json!({"events": ["lead_deleted", "carrier_created"]}),
    )
    .await;

    umbrella.lead("Of others").await;
    let lead = acme.lead("Ann").await;
    acme.owner
        .delete(&format!("/api/v1/leads/{lead}"))
        .await
        .expect(204);

    // The second webhook is an event of its own, for the first.
    let mut kinds: Vec<String> = until_received(&all, 3).await.iter().map(kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["lead_created", "lead_deleted", "webhook_created"]);
    let came = until_received(&some, 1).await;
    assert_eq!(kind(&came[0]), "lead_deleted");
    assert_eq!(deliveries(&acme.owner, &of_all).await.len(), 3);
    assert_eq!((all.received().len(), some.received().len()), (3, 1));
}

#[tokio::test]
async fn a_disabled_webhook_is_sent_nothing_and_an_enabled_one_what_happens_from_then_on() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let fields = json!({"events": ["lead_created"], "enabled": false});
    let webhook = make(&acme.owner, &receiver.url("/"), fields).await;
    let shown = acme.owner.get(&webhook.path).await.expect(200);
    assert_eq!(
        (&shown["enabled"], &shown["disabledReason"]),
        (&json!(false), &json!("REQUESTED"))
    );
    acme.lead("Unsent").await;

    let enabled = acme
        .owner
        .patch(&webhook.path, json!({"enabled": true}))
        .await
        .expect(200);
    acme.lead("Sent").await;

    assert_eq!(
        (&enabled["enabled"], &enabled["disabledAt"]),
        (&json!(true), &Value::Null)
    );
    let came = until_received(&receiver, 1).await;
    assert!(came[0].body.contains("Sent") && !came[0].body.contains("Unsent"));
    acme.owner.delete(&webhook.path).await.expect(204);
    acme.lead("Too late").await;
    make(
        &acme.owner,
        &receiver.url("/second"),
        json!({"events": ["lead_created"]}),
    )
    .await;
    acme.lead("To another").await;
    let came = until_received(&receiver, 2).await;
    assert_eq!(came[1].path, "/second");
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_ping_takes_the_way_of_all_events_to_its_webhook_alone_and_is_tried_once() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let fields = json!({"events": ["lead_created"], "enabled": false});
    let webhook = make(&acme.owner, &receiver.url("/"), fields).await;
    make(&acme.owner, &other.url("/"), json!({})).await;

    post(&acme.owner, &format!("{}/ping", webhook.path))
        .await
        .expect(202);
    let came = until_received(&receiver, 1).await.remove(0);
    until_newest(&acme.owner, &webhook, "SUCCEEDED").await;
    receiver.reply(support::Reply::Status(500));
    post(&acme.owner, &format!("{}/ping", webhook.path))
        .await
        .expect(202);
    let failed = until_newest(&acme.owner, &webhook, "FAILED").await;

    assert_eq!(kind(&came), "webhook_pinged");
    assert!(is_signed(&came, &webhook.secret));
    let event: Value = serde_json::from_str(&came.body).unwrap();
    assert_eq!(event["aggregateid"], webhook.id);
    assert_eq!(
        (&failed["attempts"], &failed["fault"]),
        (&json!(1), &json!("the receiver answered 500"))
    );
    assert_eq!(receiver.received().len(), 2);
    // What came after the pings has arrived, and none of them.
    let lead = acme.lead("Ann").await;
    wait_until("the lead is told of", async || {
        other.received().iter().any(|came| came.body.contains(&lead))
    })
    .await;
    assert!(other.received().iter().all(|came| kind(came) != "webhook_pinged"));
}
