//! What leads are worth, by a model and by rules.

use fairlead::config::AiProvider;
use serde_json::{Value, json};
use support::provider::{Mood, Provider};
use support::{TestApp, wait_until};

use super::bench::{BREAKERS, calls, ledger, score};

const SAYS: &str = r#"{"score": 72, "reasons": ["was referred", "a call two days ago"]}"#;

#[tokio::test]
async fn a_model_scores_a_lead_and_it_is_written_as_an_activity_and_an_event() {
    for wire in [AiProvider::OpenAi, AiProvider::Gemini] {
        let provider = Provider::start().await;
        provider.say(SAYS);
        let app = TestApp::start_with(|config| {
            calls(&provider)(config);
            config.ai.provider = Some(wire);
            if wire == AiProvider::Gemini {
                config.ai.url = Some(provider.gemini());
            }
            config.ai.input_price_cents = 15;
            config.ai.output_price_cents = 60;
        })
        .await;
        let acme = app.tenant("acme").await;
        let lead = acme.lead("Ann Secret").await;
        let path = format!("/api/v1/leads/{lead}");

        let scored = score(&acme.owner, &lead).await;

        assert_eq!(
            scored,
            json!({
                "leadId": lead, "score": 72, "reasons": ["was referred", "a call two days ago"], "degraded": false,
                "degradedBecause": null, "version": 2,
            })
        );
        let shown = acme.owner.get(&path).await.expect(200);
        assert_eq!(
            (&shown["qualityScore"], &shown["version"]),
            (&json!(72), &json!(2))
        );
        let listed = acme.owner.get(&format!("{path}/activities")).await.expect(200);
        let activity = &listed["items"][0];
        assert_eq!(
            (&activity["type"], &activity["subject"], &activity["body"]),
            (
                &json!("SCORE"),
                &json!("0 to 72"),
                &json!("was referred\na call two days ago")
            )
        );
        let mut data = Value::Null;
        wait_until("the event is in the log", async || {
            let path = "/api/v1/events?type=lead_scored";
            let events = acme.owner.get(path).await.expect(200);
            data = events["items"][0]["data"].clone();
            !data.is_null()
        })
        .await;
        assert_eq!(
            (&data["qualityScore"], &data["reasons"][0], &data["degraded"]),
            (&json!(72), &json!("was referred"), &json!(false))
        );
        assert_eq!(ledger(&app).await, [(true, 200, 50, 60)]);
        let limits = acme.owner.get("/api/v1/limits").await.expect(200);
        let used = |name: &str| {
            let mut limits = limits["items"].as_array().unwrap().iter();
            limits.find(|limit| limit["name"] == name).unwrap()["current"].clone()
        };
        assert_eq!((used("aiTokens"), used("aiCents")), (json!(250), json!(1)));
        let asked = provider.asked();
        assert_eq!(asked.len(), 1);
        assert!(asked[0].body.contains("\"reasons\"") && !asked[0].body.contains("Secret"));
        // The same once more changes nothing but what was said of it, and is not hidden by an answer that was kept.
        score(&acme.owner, &lead).await;
        let listed = acme.owner.get(&format!("{path}/activities")).await.expect(200);
        assert_eq!(listed["items"][0]["subject"], "72 to 72");
    }
}

#[tokio::test]
async fn without_a_model_rules_say_it_and_say_so() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = json!({ "name": "Ann", "email": "ann@example.com", "source": "referral" });
    let lead = acme.owner.post("/api/v1/leads", lead).await.expect(201);
    let lead = lead["id"].as_str().unwrap();

    let scored = score(&acme.owner, lead).await;

    assert_eq!(
        (&scored["score"], &scored["degraded"], &scored["degradedBecause"]),
        (&json!(35), &json!(true), &json!("not-configured"))
    );
    assert_eq!(
        scored["reasons"],
        json!([
            "nobody has contacted it (10)",
            "has an e-mail address (+10)",
            "was referred (+15)"
        ])
    );
    assert_eq!(ledger(&app).await, []);
}

#[tokio::test]
async fn what_a_model_says_is_taken_for_nothing_but_what_was_asked_for() {
    let provider = Provider::start().await;
    let app = TestApp::start_with(calls(&provider)).await;
    let acme = app.tenant("acme").await;
    let lead = acme.lead("Ann").await;

    for said in [
        "",
        "100",
        "{\"score\": 1000, \"reasons\": [\"x\"]}",
        "I cannot say.",
    ] {
        provider.say(said);
        let scored = score(&acme.owner, &lead).await;
        assert_eq!(scored["degradedBecause"], "invalid-answer", "{said}");
    }

    let calls = ledger(&app).await;
    assert_eq!(calls.len(), 4, "it has cost all the same");
    assert!(calls.iter().all(|call| *call == (true, 200, 50, 0)), "{calls:?}");
}

#[tokio::test]
async fn a_tenant_that_has_used_up_its_budget_is_answered_by_rules_and_others_are_not() {
    let provider = Provider::start().await;
    provider.say(SAYS);
    let app = TestApp::start_with(|config| {
        calls(&provider)(config);
        config.ai.monthly_tokens_per_tenant = 2_000;
    })
    .await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    provider.be(Mood::Hangs);
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let (owner, lead) = (acme.owner.clone(), acme.lead("Ann").await);
        waiting.push(fairlead_telemetry::spawn(
            async move { score(&owner, &lead).await },
        ));
    }

    let mut reasons = Vec::new();
    for scored in waiting {
        reasons.push(
            scored.await.unwrap()["degradedBecause"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }

    // Each reserves more than half of the budget, and nobody knows what the one has cost that was asked.
    reasons.sort();
    assert_eq!(
        reasons,
        ["budget-spent", "budget-spent", "budget-spent", "unavailable"]
    );
    assert_eq!(provider.asked().len(), 1);
    let spent: i64 = ledger(&app)
        .await
        .iter()
        .map(|(_, input, output, _)| input + output)
        .sum();
    assert!((1_001..=2_000).contains(&spent), "{spent}");
    provider.be(Mood::Well);
    let others = umbrella.lead("Bob").await;
    assert_eq!(score(&umbrella.owner, &others).await["degraded"], false);
}

#[tokio::test]
async fn a_lead_that_changes_while_a_model_is_asked_is_not_written() {
    let provider = Provider::start().await;
    let app = TestApp::start_with(|config| {
        calls(&provider)(config);
        config.upstreams.timeout = std::time::Duration::from_secs(2);
    })
    .await;
    let acme = app.tenant("acme").await;
    let lead = acme.lead("Ann").await;
    let path = format!("/api/v1/leads/{lead}");
    provider.be(Mood::Hangs);
    app.expect_server_errors();

    let scoring = {
        let (owner, path) = (acme.owner.clone(), format!("{path}/score"));
        fairlead_telemetry::spawn(async move { owner.post(&path, json!({})).await })
    };
    wait_until("it is asked", async || !provider.asked().is_empty()).await;
    let changed = acme.owner.patch(&path, json!({ "company": "Another Ltd" })).await;
    assert_eq!(changed.expect(200)["version"], 2);

    let refused = scoring.await.unwrap();
    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (503, "contended".to_owned())
    );
    let shown = acme.owner.get(&path).await.expect(200);
    assert_eq!(
        (&shown["version"], &shown["qualityScore"]),
        (&json!(2), &json!(0))
    );
    let calls = ledger(&app).await;
    assert!(
        !calls[0].0 && calls[0].1 > 0,
        "nobody knows what it took: {calls:?}"
    );
}

#[tokio::test]
async fn an_operator_who_opens_the_breaker_has_rules_answer_at_no_cost() {
    let provider = Provider::start().await;
    provider.say(SAYS);
    let app = TestApp::start_with(calls(&provider)).await;
    let (acme, operator) = (app.tenant("acme").await, app.operator("olga").await);
    let lead = acme.lead("Ann").await;
    let tell = async |what: &str| {
        let path = format!("{BREAKERS}/ai/{what}");
        operator
            .post(&path, json!({ "reason": "a test" }))
            .await
            .expect(200)
    };

    tell("open").await;
    let by_rules: Value = score(&acme.owner, &lead).await;
    assert_eq!((&by_rules["degraded"], provider.asked().len()), (&json!(true), 0));
    assert_eq!(ledger(&app).await, [], "nothing was reserved");
    tell("close").await;

    assert_eq!(score(&acme.owner, &lead).await["degraded"], false);
}

#[tokio::test]
async fn only_who_may_change_a_lead_scores_it_and_only_as_it_is_known() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (other, _) = acme.agent("other@acme.test", json!({})).await;
    let (_, agent) = acme.agent("agent@acme.test", json!({})).await;
    let lead = json!({ "name": "Ann", "assignedTo": other });
    let lead = acme.owner.post("/api/v1/leads", lead).await.expect(201);
    let path = format!("/api/v1/leads/{}/score", lead["id"].as_str().unwrap());

    let out_of_reach = agent.post(&path, json!({})).await;
    assert_eq!(out_of_reach.status, 403, "{out_of_reach:?}");
    for (tag, expected) in [("\"2\"", 412), ("\"1\"", 200), ("\"1\"", 412)] {
        let asked = acme.owner.request(reqwest::Method::POST, &path);
        let answer = acme.owner.send(asked.header("if-match", tag)).await;
        assert_eq!(answer.status, expected, "{tag}: {answer:?}");
    }
}

#[tokio::test]
async fn figures_of_a_provider_that_cannot_be_are_not_believed() {
    let provider = Provider::start().await;
    provider.say(SAYS);
    let app = TestApp::start_with(calls(&provider)).await;
    let acme = app.tenant("acme").await;
    let lead = acme.lead("Ann").await;

    for usage in [None, Some((0, 0)), Some((200, 0)), Some((u64::MAX, u64::MAX))] {
        provider.claim(usage);
        assert_eq!(score(&acme.owner, &lead).await["degraded"], false, "{usage:?}");
    }

    let calls = ledger(&app).await;
    let settled: Vec<bool> = calls.iter().map(|call| call.0).collect();
    assert_eq!(settled, [false, false, false, true]);
    for (_, input, output, _) in calls {
        assert!((200..2_000).contains(&input) && output == 800, "{input} {output}");
    }
}

#[tokio::test]
async fn a_key_has_a_lead_scored_once() {
    let provider = Provider::start().await;
    provider.say(SAYS);
    let app = TestApp::start_with(calls(&provider)).await;
    let acme = app.tenant("acme").await;
    let lead = acme.lead("Ann").await;
    let path = format!("/api/v1/leads/{lead}/score");
    let ask = async |path: &str| {
        let asked = acme.owner.request(reqwest::Method::POST, path);
        acme.owner.send(asked.header("idempotency-key", "once")).await
    };

    let first = ask(&path).await;
    let again = ask(&path).await;

    assert_eq!((first.status.as_u16(), again.status.as_u16()), (200, 200));
    let tag = first.header("etag").unwrap();
    assert!(tag.starts_with("\"2.@"), "{tag}");
    assert_eq!(again.header("etag"), Some(tag));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.expect(200), again.expect(200));
    assert_eq!(provider.asked().len(), 1);
    let other = acme.lead("Bob").await;
    let reused = ask(&format!("/api/v1/leads/{other}/score")).await;
    assert_eq!(reused.problem(), "idempotency-key-reused");

    // At once: each may ask, and one writes.
    let another = acme.lead("Eve").await;
    let path = format!("/api/v1/leads/{another}/score");
    let all: Vec<_> = (0..6)
        .map(|_| {
            let (owner, path) = (acme.owner.clone(), path.clone());
            fairlead_telemetry::spawn(async move {
                let asked = owner.request(reqwest::Method::POST, &path);
                owner.send(asked.header("idempotency-key", "at-once")).await
            })
        })
        .collect();
    for answer in all {
        assert_eq!(answer.await.unwrap().expect(200)["version"], 2);
    }
    let path = format!("/api/v1/leads/{another}/activities");
    let listed = acme.owner.get(&path).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
}
