//! What the tests of webhooks share.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fairlead::config::Config;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use support::{Client, Received, Receiver, Response, TestApp, wait_until};

pub(super) const WEBHOOKS: &str = "/api/v1/webhooks";

/// Receivers of this machine may be called, and what fails comes again at once.
pub(crate) fn local(config: &mut Config) {
    config.webhooks.allow_http = true;
    config.webhooks.allowed_networks = Some("127.0.0.1/32".to_owned());
    config.jobs.webhooks.backoff = Duration::from_millis(50);
    config.jobs.webhooks.max_backoff = Duration::from_millis(200);
    config.jobs.sweep = Duration::from_millis(20);
}

pub(super) async fn start() -> TestApp {
    TestApp::start_with(local).await
}

/// A webhook, and its secret.
pub(crate) struct Made {
    pub(crate) path: String,
    pub(super) id: String,
    pub(super) secret: String,
}

/// Makes a webhook with these fields beside its URL.
pub(crate) async fn make(owner: &Client, url: &str, fields: Value) -> Made {
    let mut body = fields;
    body["url"] = json!(url);
    let made = owner.post(WEBHOOKS, body).await.expect(201);
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    Made {
        path: format!("{WEBHOOKS}/{}", text("id")),
        id: text("id"),
        secret: text("secret"),
    }
}

/// Posts without a body.
pub(super) async fn post(client: &Client, path: &str) -> Response {
    client.send(client.request(Method::POST, path)).await
}

/// Waits until so many requests came in, and returns them.
pub(super) async fn until_received(receiver: &Receiver, count: usize) -> Vec<Received> {
    wait_until(&format!("{count} requests came in"), async || {
        receiver.received().len() >= count
    })
    .await;
    receiver.received()
}

/// The deliveries of a webhook, the newest first.
pub(super) async fn deliveries(owner: &Client, webhook: &Made) -> Vec<Value> {
    let listed = owner
        .get(&format!("{}/deliveries", webhook.path))
        .await
        .expect(200);
    listed["items"].as_array().unwrap().clone()
}

/// Waits until the newest delivery of a webhook is in a state, and returns it.
pub(crate) async fn until_newest(owner: &Client, webhook: &Made, state: &str) -> Value {
    let mut newest = Value::Null;
    wait_until(&format!("the newest delivery is {state}"), async || {
        newest = deliveries(owner, webhook)
            .await
            .first()
            .cloned()
            .unwrap_or_default();
        newest["state"] == state
    })
    .await;
    newest
}

/// The type of the event in a request.
pub(super) fn kind(received: &Received) -> String {
    let event: Value = serde_json::from_str(&received.body).unwrap();
    event["type"].as_str().unwrap().to_owned()
}

/// All events of the tenant.
pub(super) async fn events(owner: &Client, query: &str) -> Vec<Value> {
    let page = owner
        .get(&format!("/api/v1/events?limit=200{query}"))
        .await
        .expect(200);
    page["items"].as_array().unwrap().clone()
}

/// Whether one of a request's signatures is of this secret: as a receiver looks, by the text of Standard Webhooks.
pub(crate) fn is_signed(received: &Received, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let content = format!(
        "{}.{}.{}",
        received.header("webhook-id"),
        received.header("webhook-timestamp"),
        received.body
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(content.as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let mut signatures = received.header("webhook-signature").split(' ');
    signatures.any(|signature| signature == expected)
}

pub(super) fn signatures(received: &Received) -> usize {
    received.header("webhook-signature").split(' ').count()
}
