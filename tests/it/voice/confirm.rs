//! What is not done before the caller says so once more.

use serde_json::{Value, json};
use support::TestApp;

use super::bench::{COMMANDS, audited, confirm, say, tell};

#[tokio::test]
async fn what_closes_a_lead_is_asked_about_and_done_once_however_often_it_is_confirmed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = acme.lead("Ann").await;
    let path = format!("/api/v1/leads/{lead}");

    let asked = say(&acme.owner, "close Ann as lost").await;

    let confirmation = &asked["confirmation"];
    assert_eq!(
        (&asked["result"], &confirmation["reasons"]),
        (&Value::Null, &json!(["closes-lead"]))
    );
    assert_eq!(confirmation["choices"][0]["action"], asked["action"]);
    assert_eq!(
        asked["action"],
        json!({
            "type": "change-status", "lead": {"id": lead, "name": "Ann", "version": 1}, "status": "CLOSED",
            "closeReason": "LOST",
        })
    );
    assert_eq!(acme.owner.get(&path).await.expect(200)["status"], "NEW");
    let all: Vec<_> = (0..6)
        .map(|_| {
            let (owner, asked) = (acme.owner.clone(), asked.clone());
            fairlead_telemetry::spawn(async move { confirm(&owner, &asked, 0).await })
        })
        .collect();
    let mut replayed = 0;
    for answer in all {
        let answer = answer.await.unwrap();
        replayed += usize::from(answer.header("idempotency-replayed").is_some());
        let answer = answer.expect(200);
        assert_eq!(
            (
                &answer["result"]["lead"]["closeReason"],
                &answer["result"]["lead"]["version"]
            ),
            (&json!("LOST"), &json!(2))
        );
    }
    assert_eq!(replayed, 5);
    // Once is once: also when it was undone meanwhile.
    acme.owner
        .patch(&path, json!({ "status": "CONTACTED" }))
        .await
        .expect(200);
    confirm(&acme.owner, &asked, 0).await.expect(200);
    assert_eq!(acme.owner.get(&path).await.expect(200)["status"], "CONTACTED");
    assert_eq!(
        audited(&app).await,
        ["change-status unconfirmed by rules", "change-status success"]
    );
}

#[tokio::test]
async fn a_question_is_answered_by_whom_it_was_asked_in_time_and_as_it_was_asked() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let (_, admin) = acme.user("admin@acme.test", "ADMIN").await;
    acme.lead("Ann").await;
    umbrella.lead("Ann").await;
    let asked = say(&acme.owner, "close Ann as lost").await;
    let token = asked["confirmation"]["choices"][0]["token"].as_str().unwrap();

    for other in [&admin, &umbrella.owner] {
        let refused = confirm(other, &asked, 0).await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem()),
            (422, "invalid-confirmation".to_owned())
        );
    }
    let other = if &token[20..21] == "A" { "B" } else { "A" };
    let altered = format!("{}{other}{}", &token[..20], &token[21..]);
    for token in ["", "x", &altered, &token[..token.len() - 1], &"A".repeat(50_000)] {
        let refused = acme.owner.post(COMMANDS, json!({ "confirmation": token })).await;
        assert_eq!(refused.problem(), "invalid-confirmation", "{token}");
    }
    app.clock.advance(time::Duration::minutes(6));
    let late = confirm(&acme.owner, &asked, 0).await;
    assert_eq!(late.problem(), "invalid-confirmation");
    let asked = say(&acme.owner, "close Ann as lost").await;
    let lead = asked["action"]["lead"]["id"].as_str().unwrap();
    let path = format!("/api/v1/leads/{lead}");
    acme.owner
        .patch(&path, json!({ "company": "Other Ltd" }))
        .await
        .expect(200);
    let stale = confirm(&acme.owner, &asked, 0).await;
    assert_eq!(stale.status, 412, "it is another lead than it was: {stale:?}");
}

#[tokio::test]
async fn who_may_no_more_does_not_confirm() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (id, admin) = acme.user("admin@acme.test", "ADMIN").await;
    acme.lead("Ann").await;
    let asked = say(&admin, "close Ann as lost").await;

    acme.owner
        .patch(&format!("/api/v1/users/{id}"), json!({ "role": "VIEWER" }))
        .await
        .expect(200);
    let body = json!({ "email": "admin@acme.test", "password": support::PASSWORD, "tenant": acme.slug });
    let tokens = app.anonymous().post("/api/v1/auth/login", body).await.expect(200);
    let viewer = app
        .anonymous()
        .with_token(tokens["accessToken"].as_str().unwrap());

    assert_eq!(confirm(&viewer, &asked, 0).await.status, 403);
}

#[tokio::test]
async fn what_may_mean_several_is_chosen_from() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (first, second) = (acme.lead("Ann Ferris").await, acme.lead("Ann Perkins").await);
    for number in 0..6 {
        acme.lead(&format!("Bob {number}")).await;
    }

    let asked = say(&acme.owner, "mark Ann as contacted").await;
    assert_eq!(
        (&asked["action"], &asked["confirmation"]["reasons"]),
        (&Value::Null, &json!(["several-leads-match"]))
    );
    let choices = asked["confirmation"]["choices"].as_array().unwrap();
    let mut ids: Vec<_> = choices
        .iter()
        .map(|choice| choice["action"]["lead"]["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, [&first, &second]);
    let done = confirm(&acme.owner, &asked, 1).await.expect(200);
    assert_eq!(done["result"]["lead"]["id"], choices[1]["action"]["lead"]["id"]);
    let other = confirm(&acme.owner, &asked, 0).await;
    assert_eq!(other.problem(), "idempotency-key-reused", "one of them was meant");

    assert_eq!(
        say(&acme.owner, "note on Ann Ferris: hello").await["intent"],
        "add-note"
    );
    let many = say(&acme.owner, "note on Bob: hello").await;
    assert_eq!(many["confirmation"]["choices"].as_array().unwrap().len(), 5);
    acme.lead("Bob").await;
    assert_eq!(
        say(&acme.owner, "note on bob: hello").await["confirmation"],
        Value::Null,
        "who is called so is meant"
    );
}

#[tokio::test]
async fn a_lead_is_not_taken_from_an_agent_unasked() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let profile = || json!({ "rating": 10, "maxOpenLeads": 5 });
    let (bob, bobs) = acme.agent("bob@acme.test", profile()).await;
    let (eve, _) = acme.agent("eve@acme.test", profile()).await;
    for (id, name) in [(&bob, "Bob Ross"), (&eve, "Eve Ross")] {
        let path = format!("/api/v1/users/{id}");
        acme.owner.patch(&path, json!({ "name": name })).await.expect(200);
    }
    acme.lead("Ann").await;
    assert_eq!(
        say(&acme.owner, "assign Ann to Bob Ross").await["result"]["lead"]["assignedTo"],
        json!(bob)
    );

    for said in [
        "assign Ann to Eve",
        "unassign Ann",
        "assign Ann to the best agent",
    ] {
        let asked = say(&acme.owner, said).await;
        assert_eq!(
            asked["confirmation"]["reasons"],
            json!(["takes-lead-from-agent"]),
            "{said}"
        );
    }
    let asked = say(&acme.owner, "assign Ann to Ross").await;
    assert_eq!(
        asked["confirmation"]["reasons"],
        json!(["several-agents-match", "takes-lead-from-agent"])
    );
    // It stays with whom it is with, and who has it gives it away.
    assert_eq!(
        say(&acme.owner, "assign Ann to Bob").await["confirmation"],
        Value::Null
    );
    assert_eq!(say(&bobs, "unassign Ann").await["confirmation"], Value::Null);
    assert_eq!(
        tell(&acme.owner, "assign Ann to Eve").await.expect(200)["confirmation"],
        Value::Null
    );
}
