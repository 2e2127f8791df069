//! What the events take in memory that wait for those who follow.

use serde_json::{Value, json};
use support::{TestApp, TestTenant};

use super::consumers::figure;
use super::socket_client::Socket;

const WAITING: &str = "events_followers_waiting_bytes";
/// What may wait of one tenant (`apps/worker/src/ring.rs`).
const MOST: u64 = 4 << 20;

/// Writes events of forty kilobytes.
async fn write_large(acme: &TestTenant, lead: &str, numbers: std::ops::Range<usize>) {
    let body = "\u{1d11e}".repeat(10_000);
    for number in numbers {
        let note = json!({ "type": "NOTE", "subject": number.to_string(), "body": body });
        let path = format!("/api/v1/leads/{lead}/activities");
        acme.owner.post(&path, note).await.expect(201);
    }
}

async fn subject(socket: &mut Socket) -> String {
    loop {
        let told = socket.told().await;
        match told["type"].as_str() {
            Some("activity_created") => return told["data"]["data"]["subject"].as_str().unwrap().to_owned(),
            Some("cursor") => {}
            _ => panic!("{told}"),
        }
    }
}

#[tokio::test]
async fn nothing_waits_for_who_wants_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = acme.lead("Ann").await;
    let _never_subscribed = Socket::open(&acme.owner).await;
    let mut unsubscribed = Socket::follow(&acme.owner, &[], None).await;
    unsubscribed.say(&json!({ "type": "unsubscribe" })).await;
    assert_eq!(unsubscribed.told().await["type"], "unsubscribed");
    let mut follows = Socket::follow(&acme.owner, &["activity_created"], None).await;

    write_large(&acme, &lead, 0..30).await;
    for number in 0..30 {
        assert_eq!(subject(&mut follows).await, number.to_string());
    }

    assert_eq!(figure(app.metrics_url(), WAITING).await, 0);
    // From where it left.
    let again: Value =
        json!({ "type": "subscribe", "events": ["activity_created"], "cursor": unsubscribed.cursor });
    unsubscribed.say(&again).await;
    assert_eq!(unsubscribed.told().await["type"], "subscribed");
    for number in 0..30 {
        assert_eq!(subject(&mut unsubscribed).await, number.to_string());
    }
}

#[tokio::test]
async fn no_more_waits_for_who_takes_nothing_than_is_allowed_and_it_is_told_each_event_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = acme.lead("Ann").await;
    let mut stalled = Socket::follow(&acme.owner, &["activity_created"], None).await;

    // More than all buffers on the way take.
    let mut most = 0;
    for part in 0..50 {
        write_large(&acme, &lead, part * 10..part * 10 + 10).await;
        most = most.max(figure(app.metrics_url(), WAITING).await);
    }

    assert!((1..=MOST).contains(&most), "{most} bytes waited");
    for number in 0..500 {
        assert_eq!(subject(&mut stalled).await, number.to_string());
    }
    write_large(&acme, &lead, 500..501).await;
    assert_eq!(subject(&mut stalled).await, "500");
}
