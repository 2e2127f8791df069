//! Holes that somebody tried, and that stay closed.

use reqwest::Method;
use serde_json::json;
use support::TestApp;

#[tokio::test]
async fn a_moment_outside_the_calendar_is_a_mistake_and_no_failure() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let activities = format!("/api/v1/leads/{}/activities", acme.lead("Ann").await);

    for moment in [
        "9999-12-31T23:59:59-00:01",
        "0000-01-01T00:00:00+00:01",
        "0000-06-01T00:00:00Z",
    ] {
        let body = json!({ "type": "NOTE", "subject": "x", "occurredAt": moment });
        assert_eq!(
            acme.owner.post(&activities, body).await.problem(),
            "invalid-input",
            "{moment}"
        );
        let moment = moment.replace('+', "%2B");
        for path in ["/api/v1/leads", "/api/v1/activities", "/api/v1/leads/export"] {
            let response = acme.owner.get(&format!("{path}?createdAfter={moment}")).await;
            assert_eq!(response.problem(), "invalid-input", "{path} {moment}");
        }
    }
}

#[tokio::test]
async fn an_api_key_makes_nobody_more_than_an_agent() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (agent, _) = acme.agent("agent@acme.test", json!({})).await;
    let machine = acme.machine(&["users:read", "users:write"]).await;
    let invite = |role: &'static str| {
        machine.post(
            "/api/v1/users",
            json!({ "email": format!("{role}@acme.test"), "name": "New", "role": role }),
        )
    };

    let (admin, viewer) = (invite("ADMIN").await, invite("VIEWER").await);
    let promoted = machine
        .patch(&format!("/api/v1/users/{agent}"), json!({ "role": "ADMIN" }))
        .await;
    let owner_gone = machine.delete(&format!("/api/v1/users/{}", acme.owner_id)).await;

    viewer.expect(201);
    for refused in [admin, promoted, owner_gone] {
        assert_eq!(
            (refused.status.as_u16(), refused.problem().as_str()),
            (403, "not-permitted")
        );
    }
}

#[tokio::test]
async fn activities_are_not_read_through_the_leads_scope() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = acme.lead("Ann").await;
    let machine = acme.machine(&["leads:read"]).await;

    machine.get(&format!("/api/v1/leads/{lead}")).await.expect(200);
    for path in [
        format!("/api/v1/leads/{lead}?include=activities"),
        "/api/v1/leads?include=activities".to_owned(),
    ] {
        assert_eq!(machine.get(&path).await.problem(), "not-permitted", "{path}");
    }
}

#[tokio::test]
async fn an_owner_who_has_not_accepted_yet_does_not_let_the_last_one_go() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({ "email": "second@acme.test", "name": "Second", "role": "OWNER" });
    acme.owner.post("/api/v1/users", body).await.expect(201);

    let left = acme
        .owner
        .delete(&format!("/api/v1/users/{}", acme.owner_id))
        .await;

    assert_eq!(
        (left.status.as_u16(), left.problem().as_str()),
        (409, "last-owner")
    );
}

#[tokio::test]
async fn a_viewer_takes_no_lead() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (agent, _) = acme.agent("agent@acme.test", json!({})).await;
    let profile = json!({ "email": "v@acme.test", "name": "V", "role": "VIEWER", "agent": {} });
    let lead = acme
        .owner
        .post("/api/v1/leads", json!({ "name": "Ann", "assignedTo": agent }))
        .await
        .expect(201);
    let (user, lead) = (
        format!("/api/v1/users/{agent}"),
        format!("/api/v1/leads/{}", lead["id"].as_str().unwrap()),
    );

    assert_eq!(
        acme.owner.post("/api/v1/users", profile).await.problem(),
        "invalid-input"
    );
    assert_eq!(
        acme.owner
            .patch(&user, json!({ "role": "VIEWER" }))
            .await
            .status
            .as_u16(),
        409
    );
    acme.owner
        .patch(&lead, json!({ "assignedTo": null }))
        .await
        .expect(200);
    let viewer = acme
        .owner
        .patch(&user, json!({ "role": "VIEWER" }))
        .await
        .expect(200);

    assert!(viewer["agent"].is_null(), "{viewer}");
    assert_eq!(
        acme.owner.patch(&user, json!({ "agent": {} })).await.problem(),
        "invalid-input"
    );
}

#[tokio::test]
async fn a_list_does_not_pass_for_an_object() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;

    for (path, body) in [
        ("/api/v1/leads", json!(["Ann"])),
        ("/api/v1/leads/bulk", json!([[{ "name": "Ann" }], true, 10])),
        (
            "/api/v1/auth/signup",
            json!(["T", "N", "list@x.test", "correct horse battery"]),
        ),
    ] {
        assert_eq!(
            acme.owner.post(path, body).await.problem(),
            "invalid-input",
            "{path}"
        );
    }
    let rows = acme
        .owner
        .post(
            "/api/v1/leads/bulk",
            json!({ "leads": [["Ann"], { "name": "Bob" }] }),
        )
        .await;
    assert_eq!(rows.expect(200)["successful"], 1);
}

#[tokio::test]
async fn an_export_runs_nothing_in_a_spreadsheet_and_still_reads_back() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for name in ["=cmd|' /C calc'!A0", "@SUM(A1)", "+1+1", "Plain"] {
        acme.owner
            .post(
                "/api/v1/leads",
                json!({ "name": name, "phone": "+1 555 010 0123" }),
            )
            .await
            .expect(201);
    }

    let file = String::from_utf8(acme.owner.get("/api/v1/leads/export").await.body).unwrap();
    let import = acme
        .owner
        .request(Method::POST, "/api/v1/leads/import")
        .header("content-type", "text/csv");
    acme.owner.send(import.body(file.clone())).await.expect(200);

    assert!(
        file.contains(",'=cmd|") && file.contains(",'@SUM") && file.contains(",'+1+1"),
        "{file}"
    );
    assert!(file.contains(",+1 555 010 0123,"), "{file}");
    let list = acme.owner.get("/api/v1/leads?fields=name").await.expect(200);
    let mut names: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lead| lead["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names.len(), 8);
    names.dedup();
    assert_eq!(names, ["+1+1", "=cmd|' /C calc'!A0", "@SUM(A1)", "Plain"]);
}

#[tokio::test]
async fn a_query_that_an_operation_does_not_take_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = acme.lead("Ann").await;

    for path in [
        "/api/v1/tenant".to_owned(),
        "/api/v1/usage".to_owned(),
        "/api/v1/limits".to_owned(),
        "/api/v1/auth/me".to_owned(),
        "/api/v1/leads/statistics".to_owned(),
        format!("/api/v1/users/{}", acme.owner_id),
    ] {
        let refused = acme.owner.get(&format!("{path}?colour=red")).await;
        assert_eq!(refused.problem(), "invalid-input", "{path}");
        assert_eq!(refused.json()["errors"][0]["parameter"], "colour", "{path}");
        acme.owner.get(&path).await.expect(200);
        // Who is not known is told that, and nothing else.
        let stranger = app.anonymous().get(&format!("{path}?colour=red")).await;
        assert_eq!(stranger.status, 401, "{path}");
    }
    let path = format!("/api/v1/leads/{lead}?colour=red");
    assert_eq!(acme.owner.delete(&path).await.problem(), "invalid-input");
    acme.owner.get(&format!("/api/v1/leads/{lead}")).await.expect(200);
    let put = acme.owner.request(reqwest::Method::PUT, "/api/v1/leads?limit=1");
    assert_eq!(acme.owner.send(put).await.problem(), "method-not-allowed");
}
