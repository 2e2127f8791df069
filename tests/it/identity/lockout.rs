use reqwest::Method;
use serde_json::json;
use support::{PASSWORD, Response, TestApp};
use time::Duration;

use super::try_login;

const WRONG: &str = "not the password";

async fn app() -> TestApp {
    TestApp::start_with(|config| {
        config.auth.lockout.account_failures = 3;
        config.auth.lockout.account_lockout = Duration::seconds(60);
        config.auth.lockout.address_failures = 6;
        config.auth.lockout.address_lockout = Duration::seconds(300);
        config.auth.lockout.window = Duration::seconds(600);
        config.http.trust_forwarded_for = true;
    })
    .await
}

#[track_caller]
fn assert_locked_out(response: &Response, at_most_seconds: u64) {
    assert_eq!(
        (response.status.as_u16(), response.problem()),
        (429, "too-many-attempts".to_owned())
    );
    let retry_after: u64 = response
        .header("retry-after")
        .expect("it says when")
        .parse()
        .expect("in seconds");
    assert!((1..=at_most_seconds).contains(&retry_after), "{retry_after}");
}

async fn login_from(app: &TestApp, address: &str, email: &str, password: &str) -> Response {
    let anonymous = app.anonymous();
    let request = anonymous
        .request(Method::POST, "/api/v1/auth/login")
        .header("x-forwarded-for", address);
    anonymous
        .send(request.json(&json!({ "email": email, "password": password })))
        .await
}

#[tokio::test]
async fn failures_lock_the_account_out_until_its_time_is_over() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    acme.user("other@acme.test", "VIEWER").await;
    for _ in 0..3 {
        assert_eq!(
            try_login(&app, &acme.owner_email, WRONG).await.problem(),
            "wrong-credentials"
        );
    }

    let with_right_password = try_login(&app, &acme.owner_email, PASSWORD).await;

    assert_locked_out(&with_right_password, 60);
    try_login(&app, "other@acme.test", PASSWORD).await.expect(200);
    app.clock.advance(Duration::seconds(61));
    try_login(&app, &acme.owner_email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_address_without_an_account_is_locked_out_like_one_with() {
    let app = app().await;
    app.tenant("acme").await;
    for _ in 0..3 {
        assert_eq!(
            try_login(&app, "nobody@acme.test", WRONG).await.problem(),
            "wrong-credentials"
        );
    }

    let again = try_login(&app, "NOBODY@acme.test", WRONG).await;

    assert_locked_out(&again, 60);
}

#[tokio::test]
async fn a_login_clears_the_failures_before_it() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    for _ in 0..2 {
        for _ in 0..2 {
            assert_eq!(try_login(&app, &acme.owner_email, WRONG).await.status, 401);
        }
        try_login(&app, &acme.owner_email, PASSWORD).await.expect(200);
    }
}

#[tokio::test]
async fn failures_older_than_the_window_do_not_count() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    for _ in 0..2 {
        assert_eq!(try_login(&app, &acme.owner_email, WRONG).await.status, 401);
    }

    app.clock.advance(Duration::seconds(601));
    let third = try_login(&app, &acme.owner_email, WRONG).await;

    assert_eq!(third.status, 401);
    try_login(&app, &acme.owner_email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn failures_lock_a_network_address_out_whatever_the_accounts() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    for number in 0..6 {
        let email = format!("guess-{number}@acme.test");
        assert_eq!(
            login_from(&app, "192.0.2.1", &email, WRONG).await.problem(),
            "wrong-credentials"
        );
    }

    let from_there = login_from(&app, "192.0.2.1", &acme.owner_email, PASSWORD).await;
    let from_elsewhere = login_from(&app, "192.0.2.2", &acme.owner_email, PASSWORD).await;

    assert_locked_out(&from_there, 300);
    from_elsewhere.expect(200);
    app.clock.advance(Duration::seconds(301));
    login_from(&app, "192.0.2.1", &acme.owner_email, PASSWORD)
        .await
        .expect(200);
}

#[tokio::test]
async fn what_a_client_claims_about_its_address_counts_only_behind_a_proxy() {
    let app = TestApp::start_with(|config| {
        config.auth.lockout.address_failures = 3;
        config.http.trust_forwarded_for = false;
    })
    .await;
    let acme = app.tenant("acme").await;
    for number in 0..3 {
        let (address, email) = (format!("192.0.2.{number}"), format!("guess-{number}@acme.test"));
        assert_eq!(login_from(&app, &address, &email, WRONG).await.status, 401);
    }

    let claims_another = login_from(&app, "192.0.2.77", &acme.owner_email, PASSWORD).await;

    assert_locked_out(&claims_another, 300);
}
