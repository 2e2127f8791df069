//! What was verified counts for a while without being looked up, and not for longer, whatever the database does.

use std::time::Instant;

use fairlead::config::Config;
use fairlead_telemetry::spawn;
use serde_json::json;
use sqlx::{Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::{Client, Response, TestApp, TestTenant, wait_until};
use time::Duration;
use tokio::task::JoinHandle;

use super::is_alive;

/// Connections of the role that looks credentials up.
const CONNECTIONS: u32 = 2;

async fn starvable() -> TestApp {
    let app = TestApp::start_with(|config| {
        patient(config);
        config.database.system_pool.min = 0;
        config.database.system_pool.max = CONNECTIONS;
    })
    .await;
    app.expect_server_errors();
    app
}

/// On a busy machine a connection may take seconds; and who waits for a lock waits longer than the test takes.
fn patient(config: &mut Config) {
    let minute = std::time::Duration::from_mins(1);
    config.database.pool.create_timeout = minute;
    config.database.statement_timeout = minute;
    config.http.request_timeout = minute;
}

/// Has every connection of that role wait, until the transaction of `blocker` ends.
async fn starve(app: &TestApp, blocker: &mut PgConnection, acme: &TestTenant) -> Vec<JoinHandle<Response>> {
    let lock = "BEGIN; LOCK TABLE login_failures IN ACCESS EXCLUSIVE MODE";
    blocker.execute(lock).await.unwrap();
    let logins = (0..2 * CONNECTIONS)
        .map(|_| {
            let (anonymous, email, slug) = (app.anonymous(), acme.owner_email.clone(), acme.slug.clone());
            spawn(async move {
                let body = json!({ "email": email, "password": "of no matter", "tenant": slug });
                anonymous.post("/api/v1/auth/login", body).await
            })
        })
        .collect();
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    wait_until("every connection waits", async || {
        are_waiting(&mut superuser).await == i64::from(CONNECTIONS)
    })
    .await;
    logins
}

/// How many connections of the pool wait for a lock: those of attempts to log in, or of a chore that takes the table, too.
async fn are_waiting(superuser: &mut PgConnection) -> i64 {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'fairlead-system'";
    sqlx::query_scalar(waiting).fetch_one(superuser).await.unwrap()
}

/// How many statements that have this in them wait for a lock.
async fn waiting_for(superuser: &mut PgConnection, part: &str) -> i64 {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'";
    sqlx::query_scalar(waiting)
        .bind(part)
        .fetch_one(superuser)
        .await
        .unwrap()
}

/// Asks for what needs a credential and no connection.
async fn status(client: &Client) -> u16 {
    client.get("/api/v1/auth/me").await.status.as_u16()
}

#[tokio::test]
async fn a_key_that_is_revoked_elsewhere_counts_half_a_minute_at_the_most_though_no_connection_is_free() {
    let app = starvable().await;
    let acme = app.tenant("acme").await;
    let machine = acme.machine(&["leads:read"]).await;
    assert!(is_alive(&machine).await);
    let mut elsewhere = app.database.connect(DatabaseRole::Superuser).await;
    let mut blocker = app.database.connect(DatabaseRole::Superuser).await;
    let logins = starve(&app, &mut blocker, &acme).await;

    let revoke = "UPDATE api_keys SET revoked_at = now()";
    elsewhere.execute(revoke).await.unwrap();
    app.clock.advance(Duration::seconds(15));
    let within = status(&machine).await;
    app.clock.advance(Duration::seconds(16));
    let behind = machine.get("/api/v1/auth/me").await;

    assert_eq!(within, 200, "who cannot be looked up is not shut out at once");
    assert_eq!(
        (behind.status.as_u16(), behind.problem().as_str()),
        (503, "unavailable")
    );
    assert!(behind.header("retry-after").is_some(), "{behind:?}");
    assert_eq!(status(&machine).await, 503);

    blocker.execute("ROLLBACK").await.unwrap();
    wait_until("it is found to be revoked", async || {
        status(&machine).await == 401
    })
    .await;
    for login in logins {
        login.await.unwrap();
    }
}

/// A key that nobody has revoked is looked up again as soon as there is a connection.
#[tokio::test]
async fn a_key_that_could_not_be_looked_up_counts_again_when_it_can() {
    let app = starvable().await;
    let acme = app.tenant("acme").await;
    let machine = acme.machine(&["leads:read"]).await;
    assert!(is_alive(&machine).await);
    let mut blocker = app.database.connect(DatabaseRole::Superuser).await;
    let logins = starve(&app, &mut blocker, &acme).await;
    app.clock.advance(Duration::seconds(40));
    assert_eq!(status(&machine).await, 503);

    blocker.execute("ROLLBACK").await.unwrap();

    wait_until("it counts again", async || status(&machine).await == 200).await;
    for login in logins {
        login.await.unwrap();
    }
}

#[tokio::test]
async fn many_who_present_one_key_have_it_looked_up_once_and_wait_only_where_it_is_not_known() {
    let app = TestApp::start_with(patient).await;
    app.expect_server_errors();
    let acme = app.tenant("acme").await;
    let (known, new) = (
        acme.machine(&["leads:read"]).await,
        acme.machine(&["leads:read"]).await,
    );
    assert!(is_alive(&known).await);
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let mut blocker = app.database.connect(DatabaseRole::Superuser).await;
    let lock = "BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE";
    blocker.execute(lock).await.unwrap();
    app.clock.advance(Duration::seconds(10));

    let began = Instant::now();
    for status in futures_util::future::join_all((0..20).map(|_| status(&known))).await {
        assert_eq!(status, 200);
    }
    let took = began.elapsed();
    assert_eq!(waiting_for(&mut superuser, "api_keys").await, 1);
    // A tenth of a second; a busy machine may take longer, and the look-up itself never ends.
    assert!(took < std::time::Duration::from_secs(8), "{took:?}");

    let asked: Vec<_> = (0..20)
        .map(|_| {
            let new = new.clone();
            spawn(async move { status(&new).await })
        })
        .collect();
    wait_until("the other key is looked up", async || {
        waiting_for(&mut superuser, "api_keys").await >= 2
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(
        waiting_for(&mut superuser, "api_keys").await,
        2,
        "one for each key"
    );
    blocker.execute("ROLLBACK").await.unwrap();
    for asked in asked {
        assert_eq!(asked.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn a_session_that_is_ended_elsewhere_is_refused_within_seconds_though_no_connection_is_free() {
    let app = starvable().await;
    let acme = app.tenant("acme").await;
    assert!(is_alive(&acme.owner).await);
    let mut elsewhere = app.database.connect(DatabaseRole::Superuser).await;
    let mut blocker = app.database.connect(DatabaseRole::Superuser).await;
    let logins = starve(&app, &mut blocker, &acme).await;

    let end = "INSERT INTO revocations (tenant_id, id, session_id, expires_at)
               SELECT tenant_id, gen_random_uuid(), id, now() + interval '1 hour' FROM sessions";
    elsewhere.execute(end).await.unwrap();

    let began = Instant::now();
    wait_until("the session is refused", async || {
        status(&acme.owner).await == 401
    })
    .await;
    let took = began.elapsed();
    // The logins wait for a minute.
    assert!(took < std::time::Duration::from_secs(15), "{took:?}");
    assert_eq!(
        are_waiting(&mut elsewhere).await,
        i64::from(CONNECTIONS),
        "no connection was free meanwhile"
    );
    blocker.execute("ROLLBACK").await.unwrap();
    for login in logins {
        login.await.unwrap();
    }
}
