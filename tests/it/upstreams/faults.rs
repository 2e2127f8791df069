//! A provider that fails, in every way there is, takes nothing else down.

use std::time::{Duration, Instant};

use fairlead::config::Config;
use serde_json::Value;
use support::provider::{Mood, Provider};
use support::{Client, TestApp, TestTenant, wait_until};

use super::bench::{breaker, calls, score};

const TIMEOUT: Duration = Duration::from_millis(400);
const RECOVERY: Duration = Duration::from_millis(1_500);

/// Times that are short, in the proportions of the usual ones, and connections that would be missed.
fn hurried(config: &mut Config) {
    config.upstreams.timeout = TIMEOUT;
    config.upstreams.breaker.recovery = RECOVERY;
    config.database.pool.max = 2;
}

fn count(breaker: &Value, name: &str) -> u64 {
    breaker[name].as_u64().unwrap()
}

/// Calls that asked nobody, because it is open.
fn refused(breaker: &Value) -> u64 {
    breaker["unsuccessful"]["open"].as_u64().unwrap_or(0)
}

/// How often the provider was asked.
fn sent(breaker: &Value) -> usize {
    let sent = count(breaker, "calls") - refused(breaker) + count(breaker, "retries");
    usize::try_from(sent).unwrap()
}

/// What it was asked that costs something.
fn questions(provider: &Provider) -> usize {
    let asked = provider.asked();
    asked.iter().filter(|asked| !asked.body.is_empty()).count()
}

/// What such a provider is found to do.
fn kind(mood: Mood) -> &'static str {
    match mood {
        Mood::Well | Mood::Takes(_) => "well",
        Mood::Fails => "failed",
        Mood::Hangs | Mood::Drips => "timed-out",
        Mood::Resets | Mood::Cuts => "broken",
        Mood::Busy => "rate-limited",
        Mood::Html => "malformed",
        Mood::Floods => "too-large",
    }
}

/// Scores leads until the breaker is open, and tells how long that took.
async fn until_open(acme: &TestTenant, operator: &Client, lead: &str) -> Duration {
    let begun = Instant::now();
    wait_until("the breaker opens", async || {
        let scored = score(&acme.owner, lead).await;
        assert_eq!(scored["degradedBecause"], "unavailable", "{scored}");
        breaker(operator).await["state"] == "open"
    })
    .await;
    begun.elapsed()
}

#[tokio::test]
async fn whatever_a_provider_does_leads_are_scored_and_it_is_asked_again_when_it_is_well() {
    let provider = Provider::start().await;
    let app = TestApp::start_with(|config| {
        calls(&provider)(config);
        hurried(config);
    })
    .await;
    let (acme, operator) = (app.tenant("acme").await, app.operator("olga").await);
    let lead = acme.lead("Ann").await;
    provider.say(r#"{"score": 72, "reasons": ["was referred"]}"#);
    println!("| fault | opened after | answered while open | closed after | retries so far, of attempts |");
    println!("|---|---|---|---|---|");

    for mood in Mood::BAD {
        let before = breaker(&operator).await;
        provider.be(mood);

        let opened_after = until_open(&acme, &operator, &lead).await;
        let (open, asked) = (breaker(&operator).await, questions(&provider));
        let mut answers = Vec::new();
        for _ in 0..9 {
            let begun = Instant::now();
            assert_eq!(score(&acme.owner, &lead).await["degraded"], true);
            answers.push(begun.elapsed());
        }
        answers.sort_unstable();
        provider.be(Mood::Well);
        let healed = Instant::now();
        wait_until("a model scores leads again", async || {
            score(&acme.owner, &lead).await["degraded"] == false
        })
        .await;
        let closed_after = healed.elapsed();
        let after = breaker(&operator).await;

        assert_eq!(open["lastFaults"][0]["kind"], kind(mood));
        assert_eq!(after["state"], "closed");
        assert!(count(&after, "opened") > count(&before, "opened"));
        // Five failures in a row, of no more than the time-out each.
        assert!(
            opened_after < Duration::from_secs(5),
            "{mood:?}: {opened_after:?}"
        );
        assert!(answers[4] < Duration::from_millis(500), "{mood:?}: {answers:?}");
        assert!(
            closed_after < RECOVERY + Duration::from_secs(5),
            "{mood:?}: {closed_after:?}"
        );
        // While it was open nobody was asked but to find out whether it is well.
        assert_eq!(questions(&provider) - asked, sent(&after) - sent(&open));
        // What was tried again is little.
        let retries = count(&after, "retries");
        assert!(
            retries * 10 <= count(&after, "calls") - refused(&after),
            "{after}"
        );
        println!(
            "| {mood:?} | {} ms | {} ms | {} ms | {retries} of {} |",
            opened_after.as_millis(),
            answers[4].as_millis(),
            closed_after.as_millis(),
            sent(&after),
        );
    }
    assert!(provider.flooded_bytes() < 50_000_000, "nobody reads on");
}

#[tokio::test]
async fn who_waits_for_a_provider_holds_no_connection_to_the_database() {
    let provider = Provider::start().await;
    let app = TestApp::start_with(|config| {
        calls(&provider)(config);
        hurried(config);
        config.upstreams.timeout = Duration::from_secs(5);
    })
    .await;
    let (acme, operator) = (app.tenant("acme").await, app.operator("olga").await);
    let mut leads = Vec::new();
    for _ in 0..8 {
        leads.push(acme.lead("Ann").await);
    }
    provider.be(Mood::Hangs);

    let waiting: Vec<_> = leads
        .into_iter()
        .map(|lead| {
            let owner = acme.owner.clone();
            fairlead_telemetry::spawn(async move { score(&owner, &lead).await })
        })
        .collect();
    wait_until("all wait", async || breaker(&operator).await["inFlight"] == 8).await;

    let pools = operator
        .get("/api/v1/performance/database/connection-pool")
        .await
        .expect(200);
    let app_pool = pools["nodes"][0]["pools"]
        .as_array()
        .unwrap()
        .iter()
        .find(|pool| pool["role"] == "app")
        .unwrap();
    let holders = app_pool["holders"].as_array().unwrap();
    let scoring = |holder: &&Value| holder["name"].as_str().is_some_and(|name| name.contains("score"));
    assert_eq!(holders.iter().filter(scoring).count(), 0, "{app_pool}");
    acme.lead("Bob, who needs a connection").await;
    for scored in waiting {
        assert_eq!(scored.await.unwrap()["degraded"], true);
    }
}
