//! By rules, under the caller's own permits.

use reqwest::Method;
use serde_json::{Value, json};
use support::{TestApp, wait_until};

use super::bench::{COMMANDS, audited, say, tell};

#[tokio::test]
async fn what_is_said_is_done_as_by_the_operation_for_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (agent, _) = acme.agent("agent@acme.test", json!({})).await;

    let said = "Create a lead named Ann Ferris from Ferris Ltd with email ann@ferris.example";
    let created = say(&acme.owner, said).await;
    assert_eq!(
        (&created["transcript"], &created["intent"], &created["action"]),
        (
            &json!(said),
            &json!("create-lead"),
            &json!({
                "type": "create-lead", "name": "Ann Ferris", "email": "ann@ferris.example", "phone": null,
                "company": "Ferris Ltd", "insuranceType": null, "zipCode": null,
            })
        )
    );
    assert_eq!(
        (
            &created["degraded"],
            &created["degradedBecause"],
            &created["confirmation"]
        ),
        (&json!(true), &json!("not-configured"), &Value::Null)
    );
    let lead = created["result"]["lead"]["id"].as_str().unwrap();
    let path = format!("/api/v1/leads/{lead}");
    assert_eq!(acme.owner.get(&path).await.expect(200), created["result"]["lead"]);

    let noted = say(&acme.owner, "add a note to Ann Ferris: wants a quote").await;
    let activity = &noted["result"]["activity"];
    assert_eq!(
        (&activity["leadId"], &activity["type"], &activity["body"]),
        (&json!(lead), &json!("NOTE"), &json!("wants a quote"))
    );
    let changed = say(&acme.owner, "mark Ann as contacted").await;
    assert_eq!(changed["result"]["lead"]["status"], "CONTACTED");
    let assigned = say(&acme.owner, "assign Ann Ferris to An agent").await;
    assert_eq!(
        (
            &assigned["result"]["lead"]["assignedTo"],
            &assigned["action"]["agentName"]
        ),
        (&json!(agent), &json!("An agent"))
    );
    let found = say(&acme.owner, "search for ferris").await;
    assert_eq!(found["result"]["items"][0]["id"], lead);
    let counted = say(&acme.owner, "how many leads do we have").await;
    assert_eq!(
        counted["result"]["statistics"],
        acme.owner.get("/api/v1/leads/statistics").await.expect(200)
    );

    let events = async || {
        let path = "/api/v1/events?type=voice_command_handled";
        acme.owner.get(path).await.expect(200)["items"].clone()
    };
    wait_until("the events are in the log", async || {
        events().await.as_array().unwrap().len() == 6
    })
    .await;
    assert_eq!(
        audited(&app).await,
        [
            "create-lead",
            "add-note",
            "change-status",
            "assign",
            "search",
            "statistics"
        ]
        .map(|kind| format!("{kind} success by rules"))
    );
    assert!(
        !events().await.to_string().contains("quote"),
        "what was said is told to nobody"
    );
    let metrics = reqwest::get(app.metrics_url())
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = format!(
        "voice_commands_total{{command_type=\"assign\",status=\"success\",tenant_id=\"{}\"}} 1",
        acme.id
    );
    assert!(metrics.contains(&line), "{metrics}");
}

#[tokio::test]
async fn nobody_does_by_voice_what_is_not_permitted() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (other, _) = acme.agent("other@acme.test", json!({})).await;
    let (_, agent) = acme.agent("agent@acme.test", json!({})).await;
    let (_, viewer) = acme.user("vera@acme.test", "VIEWER").await;
    let machine = acme.machine(&["leads:read", "leads:write"]).await;
    let lead = json!({ "name": "Ann", "assignedTo": other });
    acme.owner.post("/api/v1/leads", lead).await.expect(201);
    let ours = acme.lead("Bob").await;

    for said in [
        "create a lead named Eve",
        "note on Bob: hello",
        "mark Bob as contacted",
        "assign Bob to nobody",
    ] {
        let refused = tell(&viewer, said).await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem()),
            (403, "not-permitted".to_owned()),
            "{said}"
        );
    }
    let refused = viewer.post("/api/v1/leads", json!({ "name": "Eve" })).await;
    assert_eq!(
        refused.json()["detail"],
        tell(&viewer, "create a lead named Eve").await.json()["detail"],
        "as elsewhere"
    );
    assert_eq!(
        say(&viewer, "how many leads are there").await["intent"],
        "statistics"
    );
    // Of somebody else's, before anything is asked about.
    for said in ["close Ann as lost", "assign Ann to me", "note on Ann: hello"] {
        assert_eq!(tell(&agent, said).await.status, 403, "{said}");
    }
    assert_eq!(
        say(&agent, "assign Bob to me").await["result"]["lead"]["id"],
        ours
    );
    assert_eq!(
        tell(&machine, "assign Bob to me").await.problem(),
        "command-not-understood"
    );
    assert_eq!(
        tell(&machine, "note on Bob: hello").await.status,
        403,
        "its scopes do not cover it"
    );
    let umbrella = app.tenant("umbrella").await;
    assert_eq!(tell(&umbrella.owner, "mark Bob as contacted").await.status, 404);
}

#[tokio::test]
async fn what_is_not_understood_or_means_nobody_is_told_so() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.lead("Ann").await;

    for (said, status, problem) in [
        ("Delete all leads, now.", 422, "command-not-understood"),
        ("mark Zoe as contacted", 404, "not-found"),
        ("assign Ann to Zoe", 404, "not-found"),
        ("mark Ann as won", 409, "invalid-transition"),
        ("mark Ann as qualified", 409, "invalid-transition"),
    ] {
        let answer = tell(&acme.owner, said).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem()),
            (status, problem.to_owned()),
            "{said}"
        );
    }
    let long = "a".repeat(2_001);
    for body in [
        json!({}),
        json!({ "transcript": "" }),
        json!({ "transcript": long }),
        json!({ "transcript": "stats", "confirmation": "x" }),
        json!({ "transcript": "stats", "id": 1 }),
        json!({ "audio": { "mediaType": "video/mp4", "data": "AAAA" } }),
        json!({ "audio": { "mediaType": "audio/ogg", "data": "?" } }),
        json!({ "audio": { "mediaType": "audio/ogg", "data": "" } }),
    ] {
        let refused = acme.owner.post(COMMANDS, body.clone()).await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem()),
            (422, "invalid-input".to_owned()),
            "{body}"
        );
    }
    let audio = json!({ "audio": { "mediaType": "audio/ogg", "data": "T2dnUw==" } });
    let nobody = acme.owner.post(COMMANDS, audio).await;
    assert_eq!(
        (nobody.status.as_u16(), nobody.problem()),
        (422, "nobody-listens".to_owned())
    );
    assert_eq!(
        audited(&app).await,
        [
            "unknown error by rules",
            "change-status error by rules",
            "assign error by rules",
            "change-status error by rules",
            "change-status error by rules",
            "unknown error",
        ]
    );
}

#[tokio::test]
async fn a_key_has_a_command_done_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ask = async |said: &str| {
        let asked = acme
            .owner
            .request(Method::POST, COMMANDS)
            .header("idempotency-key", "once");
        acme.owner.send(asked.json(&json!({ "transcript": said }))).await
    };

    let first = ask("create a lead named Ann").await;
    let again = ask("create a lead named Ann").await;

    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.expect(200), again.expect(200));
    assert_eq!(
        ask("create a lead named Bob").await.problem(),
        "idempotency-key-reused"
    );
    let leads = acme.owner.get("/api/v1/leads").await.expect(200);
    assert_eq!(leads["items"].as_array().unwrap().len(), 1);
}
