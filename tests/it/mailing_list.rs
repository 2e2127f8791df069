//! Leads that are subscribed to a mailing list, with a Kit of this machine.

use std::time::{Duration, Instant};

use fairlead::config::{Config, Secret};
use serde_json::{Value, json};
use support::kit::{KEY, Kit};
use support::process::Program;
use support::service::Mood;
use support::{Client, TestApp, TestDatabase, TestTenant, wait_until};

/// Has a server write to leads by this Kit, and not wait long before it asks again.
fn writes_to_leads(kit: &Kit) -> impl FnOnce(&mut Config) + use<> {
    let url = kit.url();
    move |config| {
        config.kit.url = url;
        config.kit.api_key = Some(Secret::new(KEY));
        config.jobs.integrations.backoff = Duration::from_millis(20);
        config.jobs.integrations.max_backoff = Duration::from_millis(100);
        config.jobs.sweep = Duration::from_millis(20);
    }
}

async fn lead(tenant: &TestTenant, name: &str, email: &str) -> String {
    let body = json!({ "name": name, "email": email });
    let lead = tenant.owner.post("/api/v1/leads", body).await.expect(201);
    lead["id"].as_str().unwrap().to_owned()
}

async fn subscribe(client: &Client, lead: &str, tags: &[&str]) -> Value {
    let path = format!("/api/v1/leads/{lead}/subscribe");
    let body = json!({ "consent": true, "tags": tags });
    client.post(&path, body).await.expect(202)
}

async fn has_event(tenant: &TestTenant, kind: &str) -> Value {
    let mut found = Value::Null;
    wait_until(kind, async || {
        let path = format!("/api/v1/events?type={kind}");
        found = tenant.owner.get(&path).await.expect(200)["items"][0].clone();
        !found.is_null()
    })
    .await;
    found
}

async fn breaker(operator: &Client) -> Value {
    operator
        .get("/api/v1/performance/circuit-breakers")
        .await
        .expect(200)["items"][0]
        .clone()
}

#[tokio::test]
async fn a_lead_that_has_consented_is_on_the_list_with_its_tags() {
    let kit = Kit::kit().await;
    let app = TestApp::start_with(writes_to_leads(&kit)).await;
    let acme = app.tenant("acme").await;
    let ann = lead(&acme, "Ann Miller", "ann@example.com").await;

    let begun = subscribe(&acme.owner, &ann, &["newsletter", "vip", "newsletter"]).await;
    let event = has_event(&acme, "lead_subscribed").await;
    // Twice is once.
    subscribe(&acme.owner, &ann, &["vip", "again"]).await;
    wait_until("the other tag is there", async || {
        kit.with(|lists| lists.subscribers["ann@example.com"].1.len() == 3)
    })
    .await;

    assert_eq!(
        (&begun["leadId"], &begun["tags"], &begun["state"]),
        (&json!(ann), &json!(["newsletter", "vip"]), &json!("PENDING"))
    );
    assert_eq!(
        (&event["data"]["leadId"], &event["data"]["state"]),
        (&json!(ann), &json!("DONE"))
    );
    assert!(!event.to_string().contains("ann@example.com"));
    kit.with(|lists| {
        assert_eq!(lists.subscribers.len(), 1);
        assert_eq!(lists.subscribers["ann@example.com"].0, "Ann");
    });
}

#[tokio::test]
async fn nobody_is_subscribed_without_consent_an_address_or_a_list() {
    let kit = Kit::kit().await;
    let app = TestApp::start_with(writes_to_leads(&kit)).await;
    let acme = app.tenant("acme").await;
    let (other, _) = acme.agent("other@acme.test", json!({})).await;
    let (_, agent) = acme.agent("agent@acme.test", json!({})).await;
    let (ann, bob) = (
        lead(&acme, "Ann", "ann@example.com").await,
        acme.lead("Bob").await,
    );
    let path = |lead: &str| format!("/api/v1/leads/{lead}/subscribe");

    for (body, pointer) in [
        (json!({}), "/consent"),
        (json!({ "consent": false }), "/consent"),
        (json!({ "consent": true, "tags": [""] }), "/tags"),
        (json!({ "consent": true, "tags": vec!["a"; 11] }), "/tags"),
    ] {
        let refused = acme.owner.post(&path(&ann), body.clone()).await;
        assert_eq!(refused.status, 422, "{body}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let no_address = acme.owner.post(&path(&bob), json!({ "consent": true })).await;
    assert_eq!(no_address.problem(), "not-subscribable");
    let assigned = json!({ "assignedTo": other });
    acme.owner
        .patch(&format!("/api/v1/leads/{ann}"), assigned)
        .await
        .expect(200);
    let others = agent.post(&path(&ann), json!({ "consent": true })).await;
    assert_eq!(others.status, 403);
    assert!(kit.asked().is_empty());

    let without = TestApp::start().await;
    let acme = without.tenant("acme").await;
    let ann = lead(&acme, "Ann", "ann@example.com").await;
    let no_list = acme.owner.post(&path(&ann), json!({ "consent": true })).await;
    assert_eq!(no_list.problem(), "not-subscribable");
}

#[tokio::test]
async fn what_the_service_refuses_is_a_dead_letter_and_shown_to_the_tenant() {
    let kit = Kit::kit().await;
    let app = TestApp::start_with(writes_to_leads(&kit)).await;
    let (acme, operator) = (app.tenant("acme").await, app.operator("olga").await);
    let ann = lead(&acme, "Ann", "ann@refused.test").await;

    subscribe(&acme.owner, &ann, &[]).await;
    let event = has_event(&acme, "lead_subscription_failed").await;

    assert_eq!(event["data"]["state"], "FAILED");
    let path = "/api/v1/performance/jobs/integrations/dead-letter";
    let dead = operator.get(path).await.expect(200);
    assert!(dead.to_string().contains("it answered 422"), "{dead}");
    assert!(!dead.to_string().contains("ann@refused.test"), "{dead}");
    assert_eq!(kit.asked().len(), 1);
}

#[tokio::test]
async fn whatever_the_service_does_jobs_wait_and_are_done_when_it_is_well() {
    let kit = Kit::kit().await;
    let recovery = Duration::from_secs(1);
    let app = TestApp::start_with(|config| {
        writes_to_leads(&kit)(config);
        config.upstreams.timeout = Duration::from_millis(400);
        config.upstreams.breaker.recovery = recovery;
        config.jobs.integrations.attempts = 100;
    })
    .await;
    let (acme, operator) = (app.tenant("acme").await, app.operator("olga").await);
    println!("| fault | opened after | answered while open | closed after | retries so far, of calls |");
    println!("|---|---|---|---|---|");

    for mood in Mood::BAD.into_iter().chain([Mood::Cuts]) {
        kit.be(mood);
        let begun = Instant::now();
        for number in 0..5 {
            let email = format!("{mood:?}-{number}@example.com").to_lowercase();
            let lead = lead(&acme, "Ann", &email).await;
            subscribe(&acme.owner, &lead, &["vip"]).await;
        }
        wait_until("the breaker opens", async || {
            breaker(&operator).await["state"] == "open"
        })
        .await;
        let opened_after = begun.elapsed();
        let email = format!("{mood:?}-last@example.com").to_lowercase();
        let last = lead(&acme, "Ann", &email).await;
        let begun = Instant::now();
        subscribe(&acme.owner, &last, &["vip"]).await;
        let answered_after = begun.elapsed();
        kit.be(Mood::Well);
        let healed = Instant::now();
        wait_until("the breaker closes", async || {
            breaker(&operator).await["state"] == "closed"
        })
        .await;
        let closed_after = healed.elapsed();
        wait_until("the last one is on the list", async || {
            kit.with(|lists| {
                lists
                    .subscribers
                    .get(&email)
                    .is_some_and(|known| known.1.len() == 1)
            })
        })
        .await;
        let after = breaker(&operator).await;

        assert!(
            opened_after < Duration::from_secs(5),
            "{mood:?}: {opened_after:?}"
        );
        assert!(
            answered_after < Duration::from_millis(500),
            "{mood:?}: {answered_after:?}"
        );
        assert!(
            closed_after < recovery + Duration::from_secs(5),
            "{mood:?}: {closed_after:?}"
        );
        let (retries, calls) = (
            after["retries"].as_u64().unwrap(),
            after["calls"].as_u64().unwrap(),
        );
        assert!(retries * 10 <= calls, "{after}");
        println!(
            "| {mood:?} | {} ms | {} ms | {} ms | {retries} of {calls} |",
            opened_after.as_millis(),
            answered_after.as_millis(),
            closed_after.as_millis(),
        );
    }
}

#[tokio::test]
async fn the_doctor_asks_whose_account_it_is() {
    let database = TestDatabase::create().await;
    let kit = Kit::kit().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__KIT__URL", &kit.url())
        .with("FAIRLEAD__KIT__API_KEY", KEY);
    let check = async |program: &Program| -> Value {
        let examined = program.run(&["doctor", "--json"]).await;
        let report: Value = serde_json::from_str(&examined.stdout).unwrap_or_else(|_| panic!("{examined:?}"));
        let mut checks = report["checks"].as_array().unwrap().iter();
        checks.find(|check| check["name"] == "kit").cloned().unwrap()
    };

    let well = check(&program).await;
    let denied = check(&program.clone().with("FAIRLEAD__KIT__API_KEY", "kit_wrong")).await;
    kit.be(Mood::Html);
    let page = check(&program).await;

    assert_eq!(well["detail"], "the account is that of The list");
    assert_eq!(
        (&denied["verdict"], &denied["fix"]),
        (&json!("fail"), &json!("correct kit.api_key"))
    );
    assert_eq!(page["verdict"], "warn");
}
