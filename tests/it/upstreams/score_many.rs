//! Many leads are scored in the background: paid for once, and not while nobody answers.

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use support::database::DatabaseRole;
use support::provider::{Mood, Provider};
use support::{Client, Response, TestApp, TestTenant, wait_until};

use super::bench::{BREAKERS, breaker, calls, ledger};

const SAYS: &str = r#"{"score": 72, "reasons": ["was referred"]}"#;

async fn begin(client: &Client, query: &str, body: Value) -> Response {
    client.post(&format!("/api/v1/leads/score{query}"), body).await
}

fn location(accepted: &Response) -> String {
    accepted.expect(202);
    accepted.header("location").expect("it says where").to_owned()
}

async fn wait_for(client: &Client, operation: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    wait_until("the operation is as wanted", async || {
        last = client.get(operation).await.expect(200);
        wanted(&last)
    })
    .await;
    last
}

async fn wait_for_end(client: &Client, operation: &str) -> Value {
    wait_for(client, operation, |operation| !operation["finishedAt"].is_null()).await
}

async fn leads(acme: &TestTenant, count: usize) -> Vec<String> {
    let mut leads = Vec::new();
    for number in 0..count {
        leads.push(acme.lead(&format!("Lead {number}")).await);
    }
    leads
}

/// How often the leads of a tenant were scored.
async fn scored(acme: &TestTenant) -> usize {
    let path = "/api/v1/activities?limit=200";
    let listed = acme.owner.get(path).await.expect(200);
    let activities = listed["items"].as_array().unwrap().iter();
    activities.filter(|activity| activity["type"] == "SCORE").count()
}

fn waits(operation: &Value) -> bool {
    operation["log"]
        .to_string()
        .contains("for the provider of models")
}

/// Has what is due later be due now.
async fn hasten(app: &TestApp) {
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    sqlx::query(AssertSqlSafe(
        "UPDATE jobs SET run_at = now() WHERE kind = 'score-leads'",
    ))
    .execute(&mut superuser)
    .await
    .unwrap();
}

#[tokio::test]
async fn leads_are_scored_one_after_the_other_and_each_is_paid_for_once() {
    let provider = Provider::start().await;
    provider.say(SAYS);
    let app = TestApp::start_with(calls(&provider)).await;
    let acme = app.tenant("acme").await;
    let mut ids = leads(&acme, 3).await;
    acme.owner
        .post("/api/v1/leads", json!({ "name": "Ann", "source": "fair" }))
        .await
        .expect(201);

    let missing = "01934f6e-7b1a-7cc3-98a4-0242ac120002";
    ids.extend([missing.to_owned(), ids[0].clone()]);
    let accepted = begin(&acme.owner, "", json!({ "ids": ids })).await;
    let ended = wait_for_end(&acme.owner, &location(&accepted)).await;

    assert_eq!(
        (&ended["kind"], &ended["state"]),
        (&json!("score-leads"), &json!("completed"))
    );
    assert_eq!(
        (&ended["progress"]["done"], &ended["progress"]["total"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(
        (&ended["result"]["successful"], &ended["result"]["failed"]),
        (&json!(3), &json!(1)),
        "{ended}"
    );
    assert!(ended["errors"].to_string().contains(missing), "{ended}");
    assert_eq!(
        (
            provider.asked().len(),
            ledger(&app).await.len(),
            scored(&acme).await
        ),
        (3, 3, 3)
    );
    let shown = acme
        .owner
        .get(&format!("/api/v1/leads/{}", ids[0]))
        .await
        .expect(200);
    assert_eq!(shown["qualityScore"], 72);

    let accepted = begin(&acme.owner, "?source=fair", json!({})).await;
    let ended = wait_for_end(&acme.owner, &location(&accepted)).await;
    assert_eq!(ended["result"]["successful"], 1, "{ended}");
    let nobody = begin(&acme.owner, "?source=nobody", json!({})).await;
    assert_eq!(
        wait_for_end(&acme.owner, &location(&nobody)).await["state"],
        "completed"
    );
    for (query, body) in [
        ("?source=fair", json!({ "ids": [missing] })),
        ("", json!({ "ids": [] })),
        ("", json!({ "ids": null })),
        ("", json!({ "ids": vec![missing; 5_001] })),
    ] {
        assert_eq!(
            begin(&acme.owner, query, body).await.problem(),
            "invalid-input",
            "{query}"
        );
    }
}

#[tokio::test]
async fn what_a_model_does_not_say_nobody_says_in_its_place() {
    let provider = Provider::start().await;
    provider.say("I cannot say.");
    let app = TestApp::start_with(calls(&provider)).await;
    let acme = app.tenant("acme").await;
    leads(&acme, 2).await;

    let accepted = begin(&acme.owner, "", json!({})).await;
    let ended = wait_for_end(&acme.owner, &location(&accepted)).await;

    assert_eq!(
        (&ended["state"], &ended["result"]["failed"]),
        (&json!("completed"), &json!(2))
    );
    assert_eq!(
        (scored(&acme).await, ledger(&app).await.len()),
        (0, 2),
        "it has cost all the same"
    );

    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    leads(&acme, 2).await;
    let accepted = begin(&acme.owner, "", json!({})).await;
    let ended = wait_for_end(&acme.owner, &location(&accepted)).await;
    assert_eq!(
        ended["result"]["successful"], 2,
        "without a model rules do: {ended}"
    );
}

#[tokio::test]
async fn a_run_waits_while_the_breaker_is_open_and_goes_on_behind_what_is_done() {
    let provider = Provider::start().await;
    provider.say(SAYS);
    let app = TestApp::start_with(calls(&provider)).await;
    let (acme, operator) = (app.tenant("acme").await, app.operator("olga").await);
    leads(&acme, 3).await;
    let tell = async |what: &str| {
        let path = format!("{BREAKERS}/ai/{what}");
        operator
            .post(&path, json!({ "reason": "a test" }))
            .await
            .expect(200)
    };

    tell("open").await;
    let operation = location(&begin(&acme.owner, "", json!({})).await);
    let waiting = wait_for(&acme.owner, &operation, waits).await;
    assert_eq!(
        (&waiting["state"], &waiting["progress"]["done"]),
        (&json!("running"), &json!(0))
    );
    for _ in 0..3 {
        hasten(&app).await;
    }
    assert_eq!(
        (provider.asked().len(), ledger(&app).await.len()),
        (0, 0),
        "nobody is asked"
    );
    tell("close").await;
    wait_until("it goes on", async || {
        hasten(&app).await;
        acme.owner.get(&operation).await.expect(200)["state"] == "completed"
    })
    .await;
    assert_eq!((provider.asked().len(), scored(&acme).await), (3, 3));
    let story = acme.owner.get(&operation).await.expect(200);
    assert_eq!(story["log"].to_string().matches("waits").count(), 1, "{story}");

    // One that waits is stopped at once.
    tell("open").await;
    let operation = location(&begin(&acme.owner, "", json!({})).await);
    wait_for(&acme.owner, &operation, waits).await;
    assert_eq!(acme.owner.delete(&operation).await.status, 202);
    assert_eq!(wait_for_end(&acme.owner, &operation).await["state"], "cancelled");
}

#[tokio::test]
async fn a_provider_that_fails_has_the_breaker_open_and_no_score_is_made_up() {
    let provider = Provider::start().await;
    provider.say(SAYS);
    let app = TestApp::start_with(|config| {
        calls(&provider)(config);
        config.upstreams.breaker.failures = 2;
        config.upstreams.breaker.recovery = std::time::Duration::from_millis(500);
        config.upstreams.retry_percent = 0;
    })
    .await;
    let (acme, operator) = (app.tenant("acme").await, app.operator("olga").await);
    leads(&acme, 2).await;
    provider.be(Mood::Html);

    let operation = location(&begin(&acme.owner, "", json!({})).await);
    wait_until("the breaker opens", async || {
        hasten(&app).await;
        breaker(&operator).await["opened"].as_u64() >= Some(1)
    })
    .await;
    assert_eq!(scored(&acme).await, 0);
    provider.be(Mood::Well);
    wait_until("it goes on", async || {
        hasten(&app).await;
        acme.owner.get(&operation).await.expect(200)["state"] == "completed"
    })
    .await;
    assert_eq!(scored(&acme).await, 2);
}

#[tokio::test]
async fn a_run_ends_where_the_budget_does_and_says_so() {
    let provider = Provider::start().await;
    provider.say(SAYS);
    let app = TestApp::start_with(|config| {
        calls(&provider)(config);
        // Each reserves more than a thousand, and takes 250.
        config.ai.monthly_tokens_per_tenant = 2_000;
    })
    .await;
    let acme = app.tenant("acme").await;
    leads(&acme, 9).await;

    let operation = location(&begin(&acme.owner, "", json!({})).await);
    let ended = wait_for_end(&acme.owner, &operation).await;

    assert_eq!(ended["state"], "failed", "{ended}");
    assert!(ended["error"].as_str().unwrap().contains("used up"), "{ended}");
    let done = scored(&acme).await;
    assert!((2..=5).contains(&done), "{done}");
    assert_eq!(
        (provider.asked().len(), &ended["progress"]["done"]),
        (done, &json!(done))
    );
}

#[tokio::test]
async fn whoever_goes_on_behind_a_process_that_is_gone_pays_for_nothing_that_is_done() {
    let provider = Provider::start().await;
    provider.say(SAYS);
    let mut app = TestApp::start_with(|config| {
        calls(&provider)(config);
        config.upstreams.timeout = std::time::Duration::from_secs(30);
        config.jobs.stop_timeout = std::time::Duration::from_millis(100);
    })
    .await;
    let acme = app.tenant("acme").await;
    leads(&acme, 4).await;
    provider.be(Mood::Hangs);
    let operation = location(&begin(&acme.owner, "", json!({})).await);
    wait_until("the first is asked", async || provider.asked().len() == 1).await;

    app.restart().await;
    provider.be(Mood::Well);
    let acme = acme.at(app.url());
    let ended = wait_for_end(&acme.owner, &operation).await;

    assert_eq!(
        (&ended["state"], &ended["result"]["successful"]),
        (&json!("completed"), &json!(4))
    );
    assert_eq!(
        (provider.asked().len(), scored(&acme).await),
        (5, 4),
        "but for the one that was under way"
    );
    let unsettled = ledger(&app).await.iter().filter(|call| !call.0).count();
    assert_eq!(unsettled, 1, "nobody knows what it took");
}
