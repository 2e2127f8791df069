//! Activities: written by people, kept as history by the platform.

use serde_json::json;
use support::TestApp;

#[tokio::test]
async fn an_activity_is_logged_read_changed_and_deleted() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = acme.lead("Ann").await;
    let body = json!({ "type": "CALL", "subject": "Called", "body": "Line one\nline two", "occurredAt": "2026-11-20T09:30:00+02:00" });

    let created = acme
        .owner
        .post(&format!("/api/v1/leads/{lead}/activities"), body)
        .await
        .expect(201);
    let path = format!("/api/v1/activities/{}", created["id"].as_str().unwrap());
    let changed = acme
        .owner
        .patch(&path, json!({ "subject": "Called back", "body": null }))
        .await
        .expect(200);

    assert_eq!(created["occurredAt"], "2026-11-20T07:30:00Z");
    assert_eq!(created["actorId"], acme.owner_id.as_str());
    assert_eq!(
        (&changed["subject"], &changed["body"], &changed["version"]),
        (&json!("Called back"), &json!(null), &json!(2))
    );
    assert_eq!(acme.owner.get(&path).await.expect(200), changed);
    assert_eq!(acme.owner.delete(&path).await.status.as_u16(), 204);
    assert_eq!(acme.owner.get(&path).await.problem(), "not-found");
}

#[tokio::test]
async fn an_activity_says_something_and_is_of_a_kind_that_people_write() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = format!("/api/v1/leads/{}/activities", acme.lead("Ann").await);

    for body in [
        json!({ "type": "NOTE" }),
        json!({ "type": "STATUS_CHANGE", "subject": "x" }),
        json!({ "type": "FAX", "subject": "x" }),
    ] {
        assert_eq!(
            acme.owner.post(&path, body.clone()).await.problem(),
            "invalid-input",
            "{body}"
        );
    }
    let note = acme
        .owner
        .post(&path, json!({ "type": "NOTE", "body": "x" }))
        .await
        .expect(201);
    let note = format!("/api/v1/activities/{}", note["id"].as_str().unwrap());
    assert_eq!(
        acme.owner.patch(&note, json!({ "body": null })).await.problem(),
        "invalid-input"
    );
}

#[tokio::test]
async fn history_stays_as_it_is() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    acme.owner
        .patch(&lead, json!({ "status": "CONTACTED" }))
        .await
        .expect(200);
    let activities = acme.owner.get(&format!("{lead}/activities")).await.expect(200);
    let path = format!(
        "/api/v1/activities/{}",
        activities["items"][0]["id"].as_str().unwrap()
    );

    assert_eq!(
        acme.owner
            .patch(&path, json!({ "subject": "Never" }))
            .await
            .problem(),
        "automatic-activity"
    );
    assert_eq!(acme.owner.delete(&path).await.problem(), "automatic-activity");
}

#[tokio::test]
async fn an_agent_writes_on_its_leads_and_changes_its_own_activities() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, agent) = acme.agent("me@acme.test", json!({})).await;
    let (other, _) = acme.agent("other@acme.test", json!({})).await;
    let nobodys = format!("/api/v1/leads/{}/activities", acme.lead("Nobody's").await);
    let others = acme
        .owner
        .post("/api/v1/leads", json!({ "name": "Other's", "assignedTo": other }))
        .await
        .expect(201);
    let others = format!("/api/v1/leads/{}/activities", others["id"].as_str().unwrap());
    let note = json!({ "type": "NOTE", "subject": "Note" });

    let mine = agent.post(&nobodys, note.clone()).await.expect(201);
    let owners = acme.owner.post(&nobodys, note.clone()).await.expect(201);
    let refused = agent.post(&others, note).await;

    assert_eq!(refused.status.as_u16(), 403);
    let path =
        |activity: &serde_json::Value| format!("/api/v1/activities/{}", activity["id"].as_str().unwrap());
    agent
        .patch(&path(&mine), json!({ "subject": "Mine" }))
        .await
        .expect(200);
    assert_eq!(
        agent
            .patch(&path(&owners), json!({ "subject": "Mine" }))
            .await
            .status
            .as_u16(),
        403
    );
    assert_eq!(agent.delete(&path(&owners)).await.status.as_u16(), 403);
}

#[tokio::test]
async fn activities_are_listed_by_kind_actor_and_lead() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, admin) = acme.user("admin@acme.test", "ADMIN").await;
    let (ann, bob) = (acme.lead("Ann").await, acme.lead("Bob").await);
    for (client, lead, kind) in [
        (&acme.owner, &ann, "NOTE"),
        (&admin, &ann, "CALL"),
        (&admin, &bob, "NOTE"),
    ] {
        let body = json!({ "type": kind, "subject": format!("{kind} on {lead}") });
        client
            .post(&format!("/api/v1/leads/{lead}/activities"), body)
            .await
            .expect(201);
    }

    let count = async |query: String| {
        let list = acme
            .owner
            .get(&format!("/api/v1/activities?page=0&{query}"))
            .await
            .expect(200);
        list["total"].as_u64().unwrap()
    };
    assert_eq!(count("limit=50".to_owned()).await, 3);
    assert_eq!(count("type=NOTE".to_owned()).await, 2);
    assert_eq!(count(format!("leadId={ann}")).await, 2);
    assert_eq!(count(format!("actorId={}", acme.owner_id)).await, 1);
    assert_eq!(count(format!("leadId={bob}&type=CALL")).await, 0);
}
