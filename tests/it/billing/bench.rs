//! What these tests have in common.

use std::time::Duration;

use fairlead::config::{Config, Secret};
use serde_json::{Value, json};
use support::stripe::{BUSINESS, KEY, SECRET, Stripe, TEAM, event, signature};
use support::{Client, Response, TestApp, TestTenant, wait_until};

pub(super) const CHECKOUT: &str = "/api/v1/billing/checkout";
pub(super) const SUBSCRIPTION: &str = "/api/v1/billing/subscription";
pub(super) const REFUNDS: &str = "/api/v1/performance/billing/refunds";
const EVENTS: &str = "/api/v1/billing/webhooks/stripe";

/// Has a server sell plans by this Stripe, and not wait long before it asks again.
pub(super) fn sells(stripe: &Stripe) -> impl FnOnce(&mut Config) + use<> {
    let url = stripe.url();
    move |config| {
        config.billing.stripe.url = url;
        config.billing.stripe.api_key = Some(Secret::new(KEY));
        config.billing.stripe.webhook_secret = Some(Secret::new(SECRET));
        config.billing.success_url = Some("https://app.example.com/paid".to_owned());
        config.billing.team.price = Some(TEAM.to_owned());
        config.billing.business.price = Some(BUSINESS.to_owned());
        config.jobs.integrations.backoff = Duration::from_millis(20);
        config.jobs.integrations.max_backoff = Duration::from_millis(200);
        config.jobs.sweep = Duration::from_millis(20);
        config.upstreams.breaker.failures = 100;
    }
}

/// The page to pay on, once it is open.
pub(super) async fn page(owner: &Client, plan: &str) -> Value {
    let mut page = Value::Null;
    wait_until("the page is open", async || {
        let answer = owner.post(CHECKOUT, json!({ "plan": plan })).await;
        assert!(answer.status.is_success(), "{answer:?}");
        page = answer.json();
        page["state"] == "OPEN"
    })
    .await;
    page
}

/// A tenant that Stripe knows, and what it calls it.
pub(super) async fn customer(app: &TestApp, stripe: &Stripe, name: &str) -> (TestTenant, String) {
    let tenant = app.tenant(name).await;
    page(&tenant.owner, "TEAM").await;
    let customer = stripe.with(|account| account.sessions.last().unwrap().customer.clone());
    (tenant, customer)
}

/// Tells the server something, signed now.
pub(super) async fn tell(app: &TestApp, id: &str, kind: &str, object: &Value) -> Response {
    let body = event(id, kind, object);
    let header = signature(SECRET, now(app), &body);
    tell_signed(app, &header, body).await
}

pub(super) async fn tell_signed(app: &TestApp, header: &str, body: String) -> Response {
    let anonymous = app.anonymous();
    let request = anonymous.request(reqwest::Method::POST, EVENTS);
    let request = request
        .header("stripe-signature", header)
        .header("content-type", "application/json; charset=utf-8");
    anonymous.send(request.body(body)).await
}

pub(super) fn now(app: &TestApp) -> i64 {
    use fairlead_domain::clock::Clock as _;
    app.clock.now().unix_timestamp()
}

/// Waits until the tenant has a plan.
pub(super) async fn has_plan(tenant: &TestTenant, plan: &str) {
    wait_until(plan, async || {
        tenant.owner.get(SUBSCRIPTION).await.expect(200)["plan"] == plan
    })
    .await;
}

/// How Stripe fares, as the server sees it.
pub(super) async fn breaker(operator: &Client) -> Value {
    operator
        .get("/api/v1/performance/circuit-breakers")
        .await
        .expect(200)["items"][0]
        .clone()
}

pub(super) fn refund(tenant: &TestTenant, reference: &str, payment: &str) -> Value {
    json!({ "tenantId": tenant.id, "reference": reference, "payment": payment, "reason": "a test" })
}
