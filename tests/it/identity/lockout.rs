use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use support::{PASSWORD, Response, TestApp};
use time::Duration;

use super::{sign_up, try_login, try_login_to};

const WRONG: &str = "not the password";
const OF_A_STRANGER: &str = "the password of a stranger";

async fn app() -> TestApp {
    TestApp::start_with(|config| {
        config.auth.lockout.account_failures = 3;
        config.auth.lockout.account_lockout = Duration::seconds(60);
        config.auth.lockout.address_failures = 6;
        config.auth.lockout.address_lockout = Duration::seconds(300);
        config.auth.lockout.window = Duration::seconds(600);
        config.http.trusted_proxies = Some("127.0.0.1".to_owned());
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

#[tokio::test]
async fn guesses_that_arrive_together_are_counted_before_any_is_checked() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    acme.user("other@acme.test", "VIEWER").await;

    let answers = join_all((0..25).map(|_| try_login(&app, &acme.owner_email, WRONG))).await;

    let (checked, unchecked): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status.as_u16() == 401);
    assert_eq!(checked.len(), 3);
    for answer in unchecked {
        assert_locked_out(answer, 60);
    }
    assert_locked_out(&try_login(&app, &acme.owner_email, PASSWORD).await, 60);
    // What was not checked does not count against the network address it came from.
    try_login(&app, "other@acme.test", PASSWORD).await.expect(200);
    app.clock.advance(Duration::seconds(61));
    try_login(&app, &acme.owner_email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn attempts_while_locked_out_do_not_prolong_it_and_then_counting_starts_anew() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    for _ in 0..3 {
        assert_eq!(try_login(&app, &acme.owner_email, WRONG).await.status, 401);
    }
    assert_locked_out(&try_login(&app, &acme.owner_email, WRONG).await, 60);

    app.clock.advance(Duration::seconds(50));
    let again = try_login(&app, &acme.owner_email, WRONG).await;
    app.clock.advance(Duration::seconds(11));

    assert_locked_out(&again, 10);
    for _ in 0..2 {
        assert_eq!(try_login(&app, &acme.owner_email, WRONG).await.status, 401);
    }
    try_login(&app, &acme.owner_email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn attempts_that_share_an_address_do_not_get_in_each_others_way() {
    let app = TestApp::start_with(|config| {
        config.auth.lockout.account_failures = 100;
        config.auth.lockout.address_failures = 100;
    })
    .await;
    let acme = app.tenant("acme").await;
    let mut emails = vec![acme.owner_email.clone()];
    for number in 0..5 {
        let email = format!("user-{number}@acme.test");
        acme.user(&email, "VIEWER").await;
        emails.push(email);
    }
    let attempts: Vec<(&str, &str, u16)> = emails
        .iter()
        .flat_map(|email| [(email.as_str(), PASSWORD, 200), (email.as_str(), WRONG, 401)].repeat(4))
        .collect();

    let answers = join_all(
        attempts
            .iter()
            .map(|(email, password, _)| try_login(&app, email, password)),
    )
    .await;

    for (answer, (email, _, status)) in answers.iter().zip(&attempts) {
        assert_eq!(answer.status.as_u16(), *status, "{email}: {answer:?}");
    }
}

#[tokio::test]
async fn who_is_locked_out_by_its_network_address_locks_no_account_out() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    for number in 0..6 {
        let email = format!("guess-{number}@acme.test");
        assert_eq!(login_from(&app, "192.0.2.1", &email, WRONG).await.status, 401);
    }

    for _ in 0..5 {
        let guess = login_from(&app, "192.0.2.1", &acme.owner_email, WRONG).await;
        assert_locked_out(&guess, 300);
    }

    for _ in 0..2 {
        let guess = login_from(&app, "192.0.2.2", &acme.owner_email, WRONG).await;
        assert_eq!(guess.status, 401);
    }
    login_from(&app, "192.0.2.2", &acme.owner_email, PASSWORD)
        .await
        .expect(200);
}

#[tokio::test]
async fn logins_that_succeed_use_up_no_attempts() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    sign_up(&app, "Umbrella", &acme.owner_email, OF_A_STRANGER).await;

    for _ in 0..7 {
        try_login(&app, &acme.owner_email, PASSWORD).await.expect(200);
        try_login_to(&app, &acme.slug, &acme.owner_email, PASSWORD)
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn an_account_of_the_same_address_elsewhere_does_not_clear_the_failures() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    let umbrella = sign_up(&app, "Umbrella", &acme.owner_email, OF_A_STRANGER).await;
    for _ in 0..3 {
        assert_eq!(try_login(&app, &acme.owner_email, WRONG).await.status, 401);
        try_login_to(&app, &umbrella, &acme.owner_email, OF_A_STRANGER)
            .await
            .expect(200);
    }

    assert_locked_out(&try_login(&app, &acme.owner_email, WRONG).await, 60);
    try_login_to(&app, &acme.slug, &acme.owner_email, PASSWORD)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_login_to_one_of_several_accounts_does_not_clear_the_failures() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    sign_up(&app, "Umbrella", &acme.owner_email, OF_A_STRANGER).await;
    for _ in 0..2 {
        assert_eq!(try_login(&app, &acme.owner_email, WRONG).await.status, 401);
        try_login(&app, &acme.owner_email, OF_A_STRANGER)
            .await
            .expect(200);
    }
    assert_eq!(try_login(&app, &acme.owner_email, WRONG).await.status, 401);

    let with_its_own = try_login(&app, &acme.owner_email, OF_A_STRANGER).await;

    assert_locked_out(&with_its_own, 60);
}
