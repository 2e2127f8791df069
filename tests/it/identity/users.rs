use serde_json::{Value, json};
use support::database::DatabaseRole;
use support::{PASSWORD, TestApp};

use super::{is_alive, log_in, try_login, try_refresh};

#[tokio::test]
async fn whoever_is_deactivated_is_out_at_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (id, _) = acme.user("bob@acme.test", "ADMIN").await;
    let (here, there) = (
        log_in(&app, "bob@acme.test").await,
        log_in(&app, "bob@acme.test").await,
    );

    acme.owner
        .delete(&format!("/api/v1/users/{id}"))
        .await
        .expect(204);

    for session in [&here, &there] {
        assert!(!session.is_alive().await);
        assert_eq!(try_refresh(&app, &session.refresh_token).await.status, 401);
    }
    assert_eq!(
        try_login(&app, "bob@acme.test", PASSWORD).await.problem(),
        "wrong-credentials"
    );
    let user = acme.owner.get(&format!("/api/v1/users/{id}")).await.expect(200);
    assert_eq!(user["active"], false, "its name stays where it worked");
}

#[tokio::test]
async fn whoever_is_taken_back_logs_in_anew() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (id, before) = acme.user("bob@acme.test", "ADMIN").await;
    let path = format!("/api/v1/users/{id}");
    acme.owner
        .patch(&path, json!({ "active": false }))
        .await
        .expect(200);

    acme.owner
        .patch(&path, json!({ "active": true }))
        .await
        .expect(200);

    assert!(!is_alive(&before).await, "what was ended stays ended");
    assert!(log_in(&app, "bob@acme.test").await.is_alive().await);
}

#[tokio::test]
async fn another_role_takes_another_login() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (id, admin) = acme.user("bob@acme.test", "ADMIN").await;
    admin
        .patch("/api/v1/tenant", json!({ "name": "Acme Ltd" }))
        .await
        .expect(200);

    acme.owner
        .patch(&format!("/api/v1/users/{id}"), json!({ "role": "VIEWER" }))
        .await
        .expect(200);

    assert!(!is_alive(&admin).await);
    let viewer = log_in(&app, "bob@acme.test").await.client;
    assert_eq!(
        viewer.get("/api/v1/auth/me").await.expect(200)["user"]["role"],
        "VIEWER"
    );
    assert_eq!(
        viewer
            .patch("/api/v1/tenant", json!({ "name": "Mine" }))
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn another_name_ends_no_session() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (id, bob) = acme.user("bob@acme.test", "VIEWER").await;

    let patched = acme
        .owner
        .patch(&format!("/api/v1/users/{id}"), json!({ "name": "Robert" }))
        .await
        .expect(200);

    assert_eq!(
        (&patched["name"], &patched["version"]),
        (&json!("Robert"), &json!(2))
    );
    assert!(is_alive(&bob).await);
}

#[tokio::test]
async fn the_last_owner_cannot_leave() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = format!("/api/v1/users/{}", acme.owner_id);

    let deleted = acme.owner.delete(&path).await;
    let demoted = acme.owner.patch(&path, json!({ "role": "ADMIN" })).await;
    let deactivated = acme.owner.patch(&path, json!({ "active": false })).await;

    for refused in [deleted, demoted, deactivated] {
        assert_eq!(
            (refused.status.as_u16(), refused.problem()),
            (409, "last-owner".to_owned())
        );
    }
    assert!(is_alive(&acme.owner).await);
}

#[tokio::test]
async fn a_deactivated_owner_counts_for_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (second, _) = acme.user("second@acme.test", "OWNER").await;
    acme.owner
        .delete(&format!("/api/v1/users/{second}"))
        .await
        .expect(204);

    let refused = acme
        .owner
        .delete(&format!("/api/v1/users/{}", acme.owner_id))
        .await;

    assert_eq!(refused.problem(), "last-owner");
}

#[tokio::test]
async fn of_two_owners_who_remove_each_other_at_once_one_stays() {
    let app = TestApp::start().await;
    for round in 0..10 {
        let acme = app.tenant(&format!("acme-{round}")).await;
        let (second_id, second) = acme.user("second@acme.test", "OWNER").await;
        let (first_path, second_path) = (
            format!("/api/v1/users/{}", acme.owner_id),
            format!("/api/v1/users/{second_id}"),
        );

        let (by_first, by_second) = tokio::join!(acme.owner.delete(&second_path), second.delete(&first_path));

        let mut statuses = [by_first.status.as_u16(), by_second.status.as_u16()];
        statuses.sort_unstable();
        // Refused as the last owner, or because the other was faster by a whole request.
        assert!(matches!(statuses, [204, 409 | 401]), "{statuses:?}");
        let owners: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM users WHERE tenant_id = $1::uuid AND role = 'OWNER' AND active",
        )
        .bind(&acme.id)
        .fetch_one(&mut app.database.connect(DatabaseRole::System).await)
        .await
        .unwrap();
        assert_eq!(owners, 1);
    }
}

#[tokio::test]
async fn only_an_owner_makes_changes_or_removes_an_owner() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (second, _) = acme.user("second@acme.test", "OWNER").await;
    let (admin_id, admin) = acme.user("admin@acme.test", "ADMIN").await;
    let machine = acme.machine(&["users:write"]).await;
    let second_path = format!("/api/v1/users/{second}");

    for caller in [&admin, &machine] {
        let new_owner = json!({ "email": "third@acme.test", "name": "Third", "role": "OWNER" });
        let refused = [
            caller.post("/api/v1/users", new_owner).await,
            caller.patch(&second_path, json!({ "name": "Changed" })).await,
            caller.patch(&second_path, json!({ "role": "VIEWER" })).await,
            caller.delete(&second_path).await,
            caller
                .patch(&format!("/api/v1/users/{admin_id}"), json!({ "role": "OWNER" }))
                .await,
        ];
        for refused in refused {
            assert_eq!(
                (refused.status.as_u16(), refused.problem()),
                (403, "not-permitted".to_owned())
            );
        }
    }
    acme.owner
        .patch(&second_path, json!({ "role": "VIEWER" }))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_change_of_a_user_names_the_version_it_is_based_on() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (id, _) = acme.user("bob@acme.test", "VIEWER").await;
    let path = format!("/api/v1/users/{id}");
    let read = acme.owner.get(&path).await;
    let tag = read.header("etag").expect("a user has a tag").to_owned();
    let change = async |name: &str| {
        let request = acme
            .owner
            .request(reqwest::Method::PATCH, &path)
            .header("if-match", &tag);
        acme.owner.send(request.json(&json!({ "name": name }))).await
    };

    let (first, stale) = (change("First").await, change("Second").await);

    first.expect(200);
    assert_eq!(
        (stale.status.as_u16(), stale.problem()),
        (412, "stale-version".to_owned())
    );
    assert_eq!(acme.owner.get(&path).await.expect(200)["name"], "First");
}

#[tokio::test]
async fn users_are_listed_newest_first_by_role_and_activity() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (bob, _) = acme.user("bob@acme.test", "AGENT").await;
    let (cid, _) = acme.user("cid@acme.test", "AGENT").await;
    acme.owner
        .delete(&format!("/api/v1/users/{bob}"))
        .await
        .expect(204);

    let list = async |query: &str| {
        let list = acme.owner.get(&format!("/api/v1/users{query}")).await.expect(200);
        let items = list["items"].as_array().unwrap().clone();
        items
            .into_iter()
            .map(|user| user["id"].clone())
            .collect::<Vec<Value>>()
    };

    assert_eq!(list("").await, [json!(cid), json!(bob), json!(acme.owner_id)]);
    assert_eq!(list("?role=AGENT").await, [json!(cid), json!(bob)]);
    assert_eq!(list("?role=AGENT&active=true").await, [json!(cid)]);
    assert_eq!(list("?active=false").await, [json!(bob)]);
}
