//! A provider that fails, in every way there is, keeps nobody from being understood.

use std::time::{Duration, Instant};

use fairlead::config::Config;
use serde_json::Value;
use support::provider::{Mood, Provider};
use support::{Client, TestApp, wait_until};

use super::super::upstreams::bench::{breaker, calls};
use super::bench::{say, tell};

const SAID: &str = "how many leads do we have";

/// Times that are short, in the proportions of the usual ones, and connections that would be missed.
fn hurried(config: &mut Config) {
    config.upstreams.timeout = Duration::from_millis(400);
    config.upstreams.breaker.recovery = Duration::from_millis(1_500);
    config.database.pool.max = 2;
}

async fn understood(client: &Client) -> (Value, Duration) {
    let begun = Instant::now();
    let answer = say(client, SAID).await;
    assert_eq!(answer["result"]["statistics"]["total"], 1, "{answer}");
    (answer, begun.elapsed())
}

#[tokio::test]
async fn whatever_a_provider_does_commands_are_understood() {
    let provider = Provider::start().await;
    let app = TestApp::start_with(|config| {
        calls(&provider)(config);
        hurried(config);
    })
    .await;
    let (acme, operator) = (app.tenant("acme").await, app.operator("olga").await);
    acme.lead("Ann").await;
    provider.say(r#"{"intent": "statistics"}"#);
    println!("| fault | opened after | answered while open, half of nine within | closed after |");
    println!("|---|---|---|---|");

    for mood in Mood::BAD {
        provider.be(mood);
        let begun = Instant::now();
        wait_until("the breaker opens", async || {
            let (answer, took) = understood(&acme.owner).await;
            assert_eq!(answer["degradedBecause"], "unavailable", "{answer}");
            assert!(took < Duration::from_secs(3), "{mood:?}: {took:?}");
            breaker(&operator).await["state"] == "open"
        })
        .await;
        let opened_after = begun.elapsed();
        let mut answers = Vec::new();
        for _ in 0..9 {
            let (answer, took) = understood(&acme.owner).await;
            assert_eq!(answer["degraded"], true);
            answers.push(took);
        }
        answers.sort_unstable();
        provider.be(Mood::Well);
        let healed = Instant::now();
        wait_until("a model understands again", async || {
            understood(&acme.owner).await.0["degraded"] == false
        })
        .await;

        assert!(answers[4] < Duration::from_millis(500), "{mood:?}: {answers:?}");
        println!(
            "| {mood:?} | {} ms | {} ms | {} ms |",
            opened_after.as_millis(),
            answers[4].as_millis(),
            healed.elapsed().as_millis(),
        );
    }
}

#[tokio::test]
async fn who_waits_to_be_understood_holds_no_connection_and_leaves_places_to_others() {
    let provider = Provider::start().await;
    let app = TestApp::start_with(|config| {
        calls(&provider)(config);
        hurried(config);
        config.upstreams.timeout = Duration::from_secs(5);
        config.upstreams.max_in_flight = 4;
    })
    .await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let operator = app.operator("olga").await;
    acme.lead("Ann").await;
    umbrella.lead("Bob").await;
    provider.be(Mood::Hangs);

    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let owner = acme.owner.clone();
            fairlead_telemetry::spawn(async move { tell(&owner, SAID).await.expect(200) })
        })
        .collect();
    wait_until("its share of the places is taken", async || {
        let breaker = breaker(&operator).await;
        breaker["inFlight"] == 2 && breaker["unsuccessful"]["full"] == 3
    })
    .await;
    provider.be(Mood::Well);
    provider.say(r#"{"intent": "statistics"}"#);

    let (others, took) = understood(&umbrella.owner).await;
    assert_eq!(others["degraded"], false, "{others}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    for answer in waiting {
        assert_eq!(answer.await.unwrap()["degradedBecause"], "unavailable");
    }
}
