//! An operation as a stream: what comes of it, how many may watch, and how it ends.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgConnection;
use support::process::Program;
use support::{Client, TestApp, TestDatabase, TestTenant};
use tokio::time::{Instant, sleep, timeout};

use super::exports::{HeldUp, open};
use crate::events::stream_ends::AtOnce;
use crate::events::stream_reader::{Block, StreamReader};

async fn watch(client: &Client, operation: &str) -> StreamReader {
    let request = client.request(Method::GET, &format!("{operation}/stream"));
    StreamReader::of(request.send().await.unwrap())
}

/// The next block that says something; `None` at the end.
async fn next(stream: &mut StreamReader) -> Option<Block> {
    let reading = timeout(Duration::from_secs(30), async {
        loop {
            let block = stream.block().await?;
            if block.comment.is_none() {
                return Some(block);
            }
        }
    });
    reading.await.expect("something comes, or the end")
}

fn done(block: &Block) -> &Value {
    &block.data.as_ref().expect("it has data")["progress"]["done"]
}

/// An export of 3,500 leads of which the second thousand waits at the gate.
struct AtGate {
    // Dropped first, which opens the gate: a server that stops waits for whoever is at it.
    gate: PgConnection,
    app: TestApp,
    acme: TestTenant,
    /// Made before: whoever waits at the gate keeps the tenant from having another key.
    machine: Client,
    operation: String,
}

async fn at_gate(most_of_tenant: usize) -> AtGate {
    at_gate_of(TestApp::start_with(|config| config.events.stream.max_per_tenant = most_of_tenant).await).await
}

async fn at_gate_of(app: TestApp) -> AtGate {
    let acme = app.tenant("acme").await;
    let machine = acme.machine(&["leads:read"]).await;
    let HeldUp { operation, gate, .. } = HeldUp::of(&app.database, &acme, 3_500).await;
    AtGate {
        gate,
        app,
        acme,
        machine,
        operation,
    }
}

#[tokio::test]
async fn those_who_watch_are_told_how_far_it_has_come_and_how_it_ended() {
    let mut at = at_gate(10).await;
    let owner = at.acme.owner.clone();
    let mut streams = [
        watch(&owner, &at.operation).await,
        watch(&owner, &at.operation).await,
    ];

    for stream in &mut streams {
        let first = next(stream).await.unwrap();
        assert!(first.retry.is_some());
        assert_eq!(
            (first.event.as_deref(), done(&first)),
            (Some("operation"), &json!(1_000))
        );
    }
    open(&mut at.gate).await;
    for mut stream in streams {
        let mut last = next(&mut stream).await.unwrap();
        let mut seen = 1_000;
        while last.event.as_deref() == Some("operation") {
            let now = done(&last).as_u64().unwrap();
            assert!(now > seen, "{last:?} behind {seen}");
            seen = now;
            last = next(&mut stream).await.unwrap();
        }
        let ended = last.data.clone().unwrap();
        assert_eq!(
            (last.event.as_deref(), last.id.as_deref()),
            (Some("ended"), Some("ended"))
        );
        assert_eq!(
            (&ended["state"], done(&last)),
            (&json!("completed"), &json!(3_500))
        );
        assert!(ended["download"]["url"].is_string(), "{ended}");
        assert_eq!(next(&mut stream).await, None);
    }
    // One who comes late is told the end; a browser that comes back by itself is told not to.
    let late = next(&mut watch(&owner, &at.operation).await).await.unwrap();
    assert_eq!(late.event.as_deref(), Some("ended"));
    let path = format!("{}/stream", at.operation);
    let again = owner.request(Method::GET, &path).header("last-event-id", "ended");
    assert_eq!(again.send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn a_stream_goes_on_when_the_time_of_a_request_is_over() {
    const DEADLINE: Duration = Duration::from_secs(2);
    let mut at = at_gate_of(TestApp::start_with(|config| config.http.request_timeout = DEADLINE).await).await;
    let mut stream = watch(&at.acme.owner, &at.operation).await;
    next(&mut stream).await.unwrap();

    sleep(DEADLINE + Duration::from_secs(1)).await;
    open(&mut at.gate).await;
    let mut last = next(&mut stream).await.unwrap();
    while last.event.as_deref() == Some("operation") {
        last = next(&mut stream).await.unwrap();
    }

    assert_eq!(
        (last.event.as_deref(), done(&last)),
        (Some("ended"), &json!(3_500))
    );
}

#[tokio::test]
async fn those_who_watch_are_counted_with_those_who_follow() {
    let at = at_gate(1).await;
    let owner = &at.acme.owner;
    let operator = at.app.operator("olga").await;
    let mut stream = watch(owner, &at.operation).await;
    next(&mut stream).await.unwrap();

    let refused = owner.get(&format!("{}/stream", at.operation)).await;
    let seen = operator
        .get("/api/v1/performance/websocket/connections")
        .await
        .expect(200);
    let connection = &seen["items"][0];

    assert_eq!(
        (refused.status.as_u16(), refused.problem().as_str()),
        (429, "too-many-streams")
    );
    assert_eq!(seen["items"].as_array().unwrap().len(), 1, "{seen}");
    assert!(connection.to_string().contains("operation_progress"), "{seen}");
    // An operator sends it away.
    let path = format!(
        "/api/v1/performance/websocket/connection/{}",
        connection["id"].as_str().unwrap()
    );
    assert!(operator.delete(&path).await.status.is_success());
    let last = next(&mut stream).await.unwrap();
    assert!(last.retry.is_some() && last.data.is_none(), "{last:?}");
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn a_stream_of_progress_ends_with_its_credential() {
    let at = at_gate(10).await;
    let owner = &at.acme.owner;
    let mut stream = watch(&at.machine, &at.operation).await;
    next(&mut stream).await.unwrap();

    let keys = owner.get("/api/v1/tenant/api-keys").await.expect(200);
    let id = keys["items"][0]["id"].as_str().unwrap();
    let revoked = Instant::now();
    assert_eq!(
        owner
            .delete(&format!("/api/v1/tenant/api-keys/{id}"))
            .await
            .status,
        204
    );
    let reading = timeout(Duration::from_secs(30), async {
        let mut last = None;
        while let Some(block) = stream.block().await {
            last = Some(block);
        }
        last
    });

    let last = reading.await.expect("the stream ends").expect("it says why");
    let why = last.comment.expect("it is a comment");
    assert!(
        why.contains("the credential has expired, or was revoked"),
        "{why}"
    );
    // Five are promised; the rest is for a busy machine.
    assert!(
        revoked.elapsed() < Duration::from_secs(10),
        "{:?}",
        revoked.elapsed()
    );
}

#[tokio::test]
async fn a_server_that_stops_sends_those_who_watch_away() {
    let database = TestDatabase::create().await;
    let server = Program::on(&database).serve().await.unwrap();
    let acme = TestTenant::sign_up(server.anonymous(), "acme").await;
    let HeldUp {
        operation, mut gate, ..
    } = HeldUp::of(&database, &acme, 2_500).await;
    let mut stream = watch(&acme.owner, &operation).await;
    next(&mut stream).await.unwrap();

    let told = AtOnce::from_now();
    server.signal("TERM");
    let last = next(&mut stream).await.unwrap();
    let end = next(&mut stream).await;
    println!("sent away and ended {:?} after SIGTERM", told.assert());
    open(&mut gate).await;
    let ended = server.ended().await;

    assert!(last.retry.is_some() && last.data.is_none(), "{last:?}");
    assert_eq!(end, None);
    assert!(ended.status.success(), "{ended:?}");
}
