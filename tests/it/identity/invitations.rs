use serde_json::json;
use support::{PASSWORD, TestApp};
use time::Duration;

use super::{Session, invite, try_accept, try_login};

#[tokio::test]
async fn who_is_invited_chooses_a_password_and_is_logged_in() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (id, token) = invite(&acme, "Bob@Acme.test", "AGENT").await;
    assert_eq!(
        try_login(&app, "bob@acme.test", PASSWORD).await.status,
        401,
        "nobody has a password yet"
    );

    let response = try_accept(&app, &token, PASSWORD).await;

    let session = response.expect(200);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(session["user"]["id"], id.as_str());
    assert_eq!(
        (&session["user"]["email"], &session["user"]["role"]),
        (&json!("bob@acme.test"), &json!("AGENT"))
    );
    assert_eq!(session["tenant"]["id"], acme.id.as_str());
    assert!(Session::of(&app, &session).is_alive().await);
    try_login(&app, "bob@acme.test", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_invitation_is_accepted_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, token) = invite(&acme, "bob@acme.test", "AGENT").await;
    try_accept(&app, &token, PASSWORD).await.expect(200);

    let again = try_accept(&app, &token, "another password").await;

    assert_eq!(
        (again.status.as_u16(), again.problem()),
        (401, "wrong-credentials".to_owned())
    );
    try_login(&app, "bob@acme.test", PASSWORD).await.expect(200);
    assert_eq!(
        try_login(&app, "bob@acme.test", "another password").await.status,
        401
    );
}

#[tokio::test]
async fn of_two_who_accept_at_once_one_wins() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, token) = invite(&acme, "bob@acme.test", "AGENT").await;

    let (one, other) = tokio::join!(
        try_accept(&app, &token, "the first password"),
        try_accept(&app, &token, "the second password"),
    );

    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    let winner = if one.status == 200 {
        "the first password"
    } else {
        "the second password"
    };
    try_login(&app, "bob@acme.test", winner).await.expect(200);
}

#[tokio::test]
async fn an_invitation_expires() {
    let app = TestApp::start_with(|config| config.auth.invitation_ttl = Duration::hours(1)).await;
    let acme = app.tenant("acme").await;
    let (_, token) = invite(&acme, "bob@acme.test", "AGENT").await;
    let (_, in_time) = invite(&acme, "cid@acme.test", "AGENT").await;

    app.clock.advance(Duration::minutes(59));
    let within = try_accept(&app, &in_time, PASSWORD).await;
    app.clock.advance(Duration::minutes(1));
    let behind = try_accept(&app, &token, PASSWORD).await;

    within.expect(200);
    assert_eq!(
        (behind.status.as_u16(), behind.problem()),
        (401, "wrong-credentials".to_owned())
    );
}

#[tokio::test]
async fn an_invitation_of_somebody_deactivated_is_worth_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (id, token) = invite(&acme, "bob@acme.test", "AGENT").await;
    acme.owner
        .delete(&format!("/api/v1/users/{id}"))
        .await
        .expect(204);

    let response = try_accept(&app, &token, PASSWORD).await;

    assert_eq!(response.status, 401);
}

#[tokio::test]
async fn a_made_up_invitation_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, token) = invite(&acme, "bob@acme.test", "AGENT").await;
    let other_secret = format!("{}AAAAAAAA", &token[..token.len() - 8]);

    for made_up in ["", "inv_", other_secret.as_str()] {
        let response = try_accept(&app, made_up, PASSWORD).await;

        assert_eq!(
            (response.status.as_u16(), response.problem()),
            (401, "wrong-credentials".to_owned()),
            "{made_up}"
        );
    }
}

#[tokio::test]
async fn an_address_is_invited_into_a_tenant_once() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    invite(&acme, "bob@acme.test", "AGENT").await;
    let body = json!({ "email": "BOB@acme.test", "name": "Bob again", "role": "VIEWER" });

    let again = acme.owner.post("/api/v1/users", body).await;

    assert_eq!(
        (again.status.as_u16(), again.problem()),
        (409, "email-taken".to_owned())
    );
    invite(&umbrella, "bob@acme.test", "AGENT").await;
}
