//! What was done about leads, in short, by a model and by rules.

use serde_json::{Value, json};
use support::provider::{Mood, Provider};
use support::{Client, TestApp, TestTenant};

use super::bench::{calls, ledger};

async fn lead_with_a_call(acme: &TestTenant) -> String {
    let lead = acme.lead("Ann").await;
    let call = json!({ "type": "CALL", "subject": "wants a quote", "body": "for two cars" });
    let path = format!("/api/v1/leads/{lead}/activities");
    acme.owner.post(&path, call).await.expect(201);
    lead
}

async fn summary(client: &Client, lead: &str) -> Value {
    let path = format!("/api/v1/leads/{lead}/activities/summary");
    client.post(&path, json!({})).await.expect(200)
}

#[tokio::test]
async fn a_model_sums_up_what_was_done() {
    let provider = Provider::start().await;
    provider.say(r#"{"summary": "A call: a quote for two cars is wanted.", "nextSteps": ["Send it."]}"#);
    let app = TestApp::start_with(calls(&provider)).await;
    let acme = app.tenant("acme").await;
    let lead = lead_with_a_call(&acme).await;

    assert_eq!(
        summary(&acme.owner, &lead).await,
        json!({
            "summary": "A call: a quote for two cars is wanted.", "nextSteps": ["Send it."], "activities": 1,
            "degraded": false, "degradedBecause": null,
        })
    );
    assert!(provider.asked()[0].body.contains("for two cars"));
    assert_eq!(ledger(&app).await, [(true, 200, 50, 0)]);

    let (_, viewer) = acme.user("vera@acme.test", "VIEWER").await;
    assert_eq!(summary(&viewer, &lead).await["degraded"], false);
    let empty = acme.lead("Bob").await;
    let nothing = summary(&acme.owner, &empty).await;
    assert_eq!(
        (&nothing["summary"], &nothing["activities"], &nothing["degraded"]),
        (&json!("Nothing has been done yet."), &json!(0), &json!(false))
    );
    assert_eq!(provider.asked().len(), 2, "there was nothing to be asked");
}

#[tokio::test]
async fn where_no_model_answers_rules_sum_up() {
    let provider = Provider::start().await;
    let app = TestApp::start_with(calls(&provider)).await;
    let acme = app.tenant("acme").await;
    let lead = lead_with_a_call(&acme).await;

    provider.be(Mood::Fails);
    let by_rules = summary(&acme.owner, &lead).await;
    assert_eq!(
        by_rules,
        json!({
            "summary": "1 activity of late: 1 CALL. The last one, today: CALL, wants a quote.", "nextSteps": [],
            "activities": 1, "degraded": true, "degradedBecause": "unavailable",
        })
    );
    provider.be(Mood::Well);
    provider.say("It went well, I think.");
    let nonsense = summary(&acme.owner, &lead).await;
    assert_eq!(nonsense["degradedBecause"], "invalid-answer");
    assert_eq!(nonsense["summary"], by_rules["summary"]);
}
