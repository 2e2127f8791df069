//! Whatever Stripe does, nothing else waits for it, and what is for it is done when it is well.

use std::time::{Duration, Instant};

use fairlead::config::Config;
use serde_json::{Value, json};
use support::service::Mood;
use support::stripe::Stripe;
use support::{Client, TestApp, wait_until};

use super::bench::{CHECKOUT, REFUNDS, breaker, customer, refund, sells};

const TIMEOUT: Duration = Duration::from_millis(400);
const RECOVERY: Duration = Duration::from_millis(1_500);

/// Times that are short, in the proportions of the usual ones, and connections that would be missed.
fn hurried(config: &mut Config) {
    config.upstreams.timeout = TIMEOUT;
    config.upstreams.breaker.failures = 5;
    config.upstreams.breaker.recovery = RECOVERY;
    config.database.pool.max = 3;
}

/// Who holds a connection of the application now.
async fn holders(operator: &Client) -> Value {
    let pools = operator
        .get("/api/v1/performance/database/connection-pool")
        .await
        .expect(200);
    let pools = pools["nodes"][0]["pools"].as_array().unwrap();
    let app_pool = pools.iter().find(|pool| pool["role"] == "app").unwrap();
    app_pool["holders"].clone()
}

fn count(breaker: &Value, name: &str) -> u64 {
    breaker[name].as_u64().unwrap()
}

#[tokio::test]
async fn whatever_stripe_does_nobody_waits_for_it_and_it_is_asked_again_when_it_is_well() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(|config| {
        sells(&stripe)(config);
        hurried(config);
    })
    .await;
    let operator = app.operator("olga").await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    stripe.with(|account| account.payments.insert("pi_1".to_owned(), id));
    let mut number = 0;
    let mut pay_back = async || {
        number += 1;
        let body = refund(&acme, &number.to_string(), "pi_1");
        operator.post(REFUNDS, body).await.expect(202);
    };
    println!("| fault | opened after | answered while open | closed after | retries so far, of calls |");
    println!("|---|---|---|---|---|");

    for mood in Mood::BAD.into_iter().chain([Mood::Cuts]) {
        let umbrella = app.tenant(&format!("umbrella-{mood:?}")).await;
        let before = breaker(&operator).await;
        stripe.be(mood);
        let begun = Instant::now();
        for _ in 0..5 {
            pay_back().await;
        }
        wait_until("the breaker opens", async || {
            breaker(&operator).await["state"] == "open"
        })
        .await;
        let opened_after = begun.elapsed();
        let begun = Instant::now();
        let answer = umbrella.owner.post(CHECKOUT, json!({ "plan": "TEAM" })).await;
        let answered_after = begun.elapsed();
        stripe.be(Mood::Well);
        let healed = Instant::now();
        pay_back().await;
        wait_until("the breaker closes", async || {
            breaker(&operator).await["state"] == "closed"
        })
        .await;
        let closed_after = healed.elapsed();
        wait_until("the page is open", async || {
            let page = umbrella.owner.post(CHECKOUT, json!({ "plan": "TEAM" })).await;
            page.json()["state"] == "OPEN"
        })
        .await;
        let after = breaker(&operator).await;

        assert_eq!(answer.expect(202)["state"], "PENDING");
        assert!(count(&after, "opened") > count(&before, "opened"));
        assert!(
            opened_after < Duration::from_secs(5),
            "{mood:?}: {opened_after:?}"
        );
        assert!(
            answered_after < Duration::from_millis(500),
            "{mood:?}: {answered_after:?}"
        );
        assert!(
            closed_after < RECOVERY + Duration::from_secs(5),
            "{mood:?}: {closed_after:?}"
        );
        let retries = count(&after, "retries");
        assert!(retries * 10 <= count(&after, "calls"), "{after}");
        println!(
            "| {mood:?} | {} ms | {} ms | {} ms | {retries} of {} |",
            opened_after.as_millis(),
            answered_after.as_millis(),
            closed_after.as_millis(),
            count(&after, "calls"),
        );
    }
    assert!(stripe.flooded_bytes() < 50_000_000, "nobody reads on");
}

#[tokio::test]
async fn who_waits_for_stripe_holds_no_connection_to_the_database() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(|config| {
        sells(&stripe)(config);
        hurried(config);
        config.upstreams.timeout = Duration::from_secs(5);
    })
    .await;
    let operator = app.operator("olga").await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    stripe.with(|account| account.payments.insert("pi_1".to_owned(), id));
    stripe.be(Mood::Hangs);

    for number in 0..4 {
        let body = refund(&acme, &number.to_string(), "pi_1");
        operator.post(REFUNDS, body).await.expect(202);
    }
    wait_until("all wait", async || breaker(&operator).await["inFlight"] == 4).await;

    // What follows the events of those refunds holds one for a moment, too.
    wait_until("no connection is held", async || {
        holders(&operator).await == json!([])
    })
    .await;
    assert_eq!(breaker(&operator).await["inFlight"], 4, "all wait still");
    acme.lead("Bob, who needs a connection").await;
}
