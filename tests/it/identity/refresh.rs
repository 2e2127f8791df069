use fairlead_domain::clock::Clock as _;
use serde_json::Value;
use support::TestApp;
use support::database::DatabaseRole;
use time::Duration;

use super::{Session, log_in, try_refresh};

#[tokio::test]
async fn a_refresh_token_is_traded_for_a_new_pair() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let before = log_in(&app, &acme.owner_email).await;
    app.clock.advance(Duration::minutes(14));

    let response = try_refresh(&app, &before.refresh_token).await;

    let tokens = response.expect(200);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(tokens["expiresIn"], 900);
    let after = Session::of(&app, &tokens);
    assert_ne!(after.refresh_token, before.refresh_token);
    assert!(
        before.is_alive().await,
        "what was handed out stays good for its time"
    );
    app.clock.advance(Duration::minutes(2));
    assert!(!before.is_alive().await);
    assert!(after.is_alive().await);
}

#[tokio::test]
async fn a_refresh_token_that_comes_back_ends_all_that_followed_from_its_login() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (stolen, elsewhere) = (
        log_in(&app, &acme.owner_email).await,
        log_in(&app, &acme.owner_email).await,
    );
    let second = Session::of(&app, &try_refresh(&app, &stolen.refresh_token).await.expect(200));
    let third = Session::of(&app, &try_refresh(&app, &second.refresh_token).await.expect(200));

    let reuse = try_refresh(&app, &stolen.refresh_token).await;

    assert_eq!(
        (reuse.status.as_u16(), reuse.problem()),
        (401, "wrong-credentials".to_owned())
    );
    for session in [&stolen, &second, &third] {
        assert!(!session.is_alive().await, "access tokens are over at once");
        assert_eq!(try_refresh(&app, &session.refresh_token).await.status, 401);
    }
    assert!(elsewhere.is_alive().await);
    try_refresh(&app, &elsewhere.refresh_token).await.expect(200);
    let reason: String =
        sqlx::query_scalar("SELECT revoked_reason FROM sessions WHERE revoked_at IS NOT NULL")
            .fetch_one(&mut app.database.connect(DatabaseRole::System).await)
            .await
            .unwrap();
    assert_eq!(reason, "REUSE");
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_stay_logged_in() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;

    for _ in 0..10 {
        let session = log_in(&app, &acme.owner_email).await;

        let (one, other) = tokio::join!(
            try_refresh(&app, &session.refresh_token),
            try_refresh(&app, &session.refresh_token)
        );

        let pairs = [one, other].map(|answer| Session::of(&app, &answer.expect(200)));
        assert_ne!(pairs[0].refresh_token, pairs[1].refresh_token);
        // Each goes on by itself.
        for pair in &pairs {
            assert!(pair.is_alive().await);
            try_refresh(&app, &pair.refresh_token).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_token_that_comes_back_after_the_leeway_ends_the_session_of_all_siblings() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let session = log_in(&app, &acme.owner_email).await;
    let one = Session::of(&app, &try_refresh(&app, &session.refresh_token).await.expect(200));
    // It counts from the first trade, however often it is made again.
    app.clock.advance(Duration::seconds(9));
    let other = Session::of(&app, &try_refresh(&app, &session.refresh_token).await.expect(200));
    app.clock.advance(Duration::seconds(1));

    let late = try_refresh(&app, &session.refresh_token).await;

    assert_eq!(
        (late.status.as_u16(), late.problem()),
        (401, "wrong-credentials".to_owned())
    );
    for pair in [&one, &other] {
        assert!(!pair.is_alive().await);
        assert_eq!(try_refresh(&app, &pair.refresh_token).await.status, 401);
    }
}

#[tokio::test]
async fn within_the_leeway_a_token_whose_successor_was_traded_ends_the_session() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let session = log_in(&app, &acme.owner_email).await;
    let second = Session::of(&app, &try_refresh(&app, &session.refresh_token).await.expect(200));
    app.clock.advance(Duration::seconds(1));
    let third = Session::of(&app, &try_refresh(&app, &second.refresh_token).await.expect(200));
    app.clock.advance(Duration::seconds(1));
    // The answer to this one may have been lost.
    try_refresh(&app, &second.refresh_token).await.expect(200);

    let reuse = try_refresh(&app, &session.refresh_token).await;

    assert_eq!(reuse.status, 401);
    assert!(!third.is_alive().await);
}

#[tokio::test]
async fn without_a_leeway_of_two_refreshes_at_once_one_wins() {
    let app = TestApp::start_with(|config| config.auth.refresh_leeway = Duration::ZERO).await;
    let acme = app.tenant("acme").await;

    for _ in 0..10 {
        let session = log_in(&app, &acme.owner_email).await;

        let (one, other) = tokio::join!(
            try_refresh(&app, &session.refresh_token),
            try_refresh(&app, &session.refresh_token)
        );

        let (won, lost) = if one.status == 200 {
            (one, other)
        } else {
            (other, one)
        };
        let won = Session::of(&app, &won.expect(200));
        assert_eq!(lost.status, 401);
        // Nobody can tell a client that asks twice from a thief, so the session is over for both.
        assert!(!won.is_alive().await);
    }
}

#[tokio::test]
async fn a_session_ends_a_fixed_time_after_its_login_however_often_it_was_refreshed() {
    let app = TestApp::start_with(|config| config.auth.refresh_ttl = Duration::hours(2)).await;
    let acme = app.tenant("acme").await;
    let mut session = log_in(&app, &acme.owner_email).await;
    let began = app.clock.now();

    for _ in 0..3 {
        app.clock.advance(Duration::minutes(35));
        session = Session::of(&app, &try_refresh(&app, &session.refresh_token).await.expect(200));
    }
    app.clock.advance(Duration::minutes(20));

    assert!(app.clock.now() - began > Duration::hours(2));
    let refused = try_refresh(&app, &session.refresh_token).await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (401, "wrong-credentials".to_owned())
    );
}

#[tokio::test]
async fn a_made_up_refresh_token_is_refused_like_a_used_one() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let session = log_in(&app, &acme.owner_email).await;
    let other_secret = format!(
        "{}AAAAAAAA",
        &session.refresh_token[..session.refresh_token.len() - 8]
    );

    for made_up in ["", "rt_", "rt_AAAA", &other_secret, &session.access_token] {
        let refused = try_refresh(&app, made_up).await;

        assert_eq!(
            (refused.status.as_u16(), refused.problem()),
            (401, "wrong-credentials".to_owned()),
            "{made_up}"
        );
    }
    try_refresh(&app, &session.refresh_token).await.expect(200);
}

#[tokio::test]
async fn refresh_tokens_are_kept_as_hashes_alone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let session = log_in(&app, &acme.owner_email).await;

    let rows: Vec<Value> = sqlx::query_scalar("SELECT to_jsonb(t) FROM refresh_tokens t")
        .fetch_all(&mut app.database.connect(DatabaseRole::System).await)
        .await
        .unwrap();

    assert_eq!(rows.len(), 2, "of the sign-up and of the login");
    for row in rows {
        assert!(!row.to_string().contains(&session.refresh_token));
        assert_eq!(
            row["token_hash"].as_str().unwrap().len(),
            "\\x".len() + 64,
            "SHA-256: {row}"
        );
    }
}
