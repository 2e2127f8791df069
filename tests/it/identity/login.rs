use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use fairlead_auth::{
    AccessTokenSettings, Argon2PasswordHasher, HasherLimits, JwtAccessTokens, KeyRing, Sha256Secrets,
};
use fairlead_domain::clock::Clock as _;
use fairlead_domain::identity::{
    self, HasherBusy, Issuer, LoginError, LoginPolicy, LoginRequest, Password, PasswordHasher, Secret,
    ThrottleLimit,
};
use fairlead_postgres::{Cluster, PgSystemStore, StoreParts};
use reqwest::Method;
use serde_json::json;
use support::database::DatabaseRole;
use support::process::Program;
use support::{
    Client, PASSWORD, Response, TestApp, TestClock, TestDatabase, TestTenant, store_config, store_parts,
    wait_until,
};

use super::{Session, invite, log_in, sign_up, try_login, try_login_to};

#[tokio::test]
async fn a_user_logs_in_with_its_address_in_any_case() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;

    let response = try_login(&app, " OWNER@Acme.Test ", PASSWORD).await;

    let session = response.expect(200);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(session["tenant"]["id"], acme.id.as_str());
    assert_eq!(session["user"]["id"], acme.owner_id.as_str());
    assert!(Session::of(&app, &session).is_alive().await);
}

/// Logs in with a trace of its own, so that answers can be compared to the byte.
async fn refused(app: &TestApp, body: serde_json::Value) -> Response {
    let anonymous = app.anonymous();
    let request = anonymous
        .request(Method::POST, "/api/v1/auth/login")
        .header(
            "traceparent",
            "00-0000000000000000000000000000000a-000000000000000b-01",
        )
        .header("x-request-id", "login");
    anonymous.send(request.json(&body)).await
}

#[tokio::test]
async fn whatever_is_wrong_with_a_login_the_answer_is_the_same() {
    let app = TestApp::start_with(|config| config.auth.lockout.account_failures = 100).await;
    let acme = app.tenant("acme").await;
    let (leaver, _) = acme.user("leaver@acme.test", "VIEWER").await;
    acme.owner
        .delete(&format!("/api/v1/users/{leaver}"))
        .await
        .expect(204);
    invite(&acme, "invited@acme.test", "VIEWER").await;
    let wrong = [
        (
            "a wrong password",
            json!({ "email": acme.owner_email, "password": "not the password" }),
        ),
        (
            "an unknown address",
            json!({ "email": "nobody@acme.test", "password": PASSWORD }),
        ),
        (
            "no address at all",
            json!({ "email": "nobody", "password": PASSWORD }),
        ),
        (
            "another tenant",
            json!({ "email": acme.owner_email, "password": PASSWORD, "tenant": "umbrella" }),
        ),
        (
            "somebody deactivated",
            json!({ "email": "leaver@acme.test", "password": PASSWORD }),
        ),
        (
            "somebody who has not accepted",
            json!({ "email": "invited@acme.test", "password": PASSWORD }),
        ),
    ];

    let mut answers = Vec::new();
    for (what, body) in wrong {
        let response = refused(&app, body).await;
        assert_eq!(
            (response.status.as_u16(), response.problem()),
            (401, "wrong-credentials".to_owned()),
            "{what}"
        );
        let names: BTreeSet<String> = response.headers.keys().map(ToString::to_string).collect();
        answers.push((what, response.body, names));
    }

    for (what, body, names) in &answers {
        assert_eq!(
            (body, names),
            (&answers[0].1, &answers[0].2),
            "{what} is told from {}",
            answers[0].0
        );
    }
}

#[tokio::test]
async fn who_is_in_several_tenants_gets_to_the_oldest_account_or_names_one() {
    let app = TestApp::start().await;
    let mut slugs = Vec::new();
    for name in ["Umbrella", "Acme"] {
        slugs.push(sign_up(&app, name, "ann@work.test", PASSWORD).await);
    }

    let unnamed = try_login(&app, "ann@work.test", PASSWORD).await.expect(200);

    assert_eq!(unnamed["tenant"]["slug"], slugs[0]);
    for slug in slugs {
        let session = try_login_to(&app, &slug, "ann@work.test", PASSWORD)
            .await
            .expect(200);
        assert_eq!(session["tenant"]["slug"], slug);
        let me = Session::of(&app, &session)
            .client
            .get("/api/v1/auth/me")
            .await
            .expect(200);
        assert_eq!(me["tenant"]["slug"], slug);
    }
}

#[tokio::test]
async fn a_stranger_who_takes_an_address_elsewhere_keeps_nobody_out() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let signed_up = sign_up(&app, "Umbrella", &acme.owner_email, "the first stranger").await;
    let third = app.tenant("third").await;
    let (_, token) = invite(&third, &acme.owner_email, "VIEWER").await;
    super::try_accept(&app, &token, "the second stranger")
        .await
        .expect(200);

    for (password, slug) in [
        (PASSWORD, &acme.slug),
        ("the first stranger", &signed_up),
        ("the second stranger", &third.slug),
    ] {
        let session = try_login(&app, &acme.owner_email, password).await.expect(200);
        assert_eq!(session["tenant"]["slug"], slug.as_str());
    }
    let nobodys = try_login(&app, &acme.owner_email, "not the password").await;
    assert_eq!(nobodys.problem(), "wrong-credentials");
}

#[tokio::test]
async fn me_tells_who_one_is_and_what_one_may() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (id, viewer) = acme.user("viewer@acme.test", "VIEWER").await;
    let machine = acme.machine(&["carriers:read"]).await;

    let person = viewer.get("/api/v1/auth/me").await.expect(200);
    let thing = machine.get("/api/v1/auth/me").await.expect(200);

    assert_eq!(
        (&person["user"]["id"], &person["user"]["role"]),
        (&json!(id), &json!("VIEWER"))
    );
    assert_eq!(person["tenant"]["id"], acme.id.as_str());
    let permissions = [
        "ViewTenant",
        "ViewUsers",
        "ViewLeads",
        "ViewActivities",
        "ViewCarriers",
    ];
    assert_eq!(person["permissions"], json!(permissions));
    assert_eq!(thing["permissions"], json!(["ViewCarriers"]));
    assert_eq!(
        (&thing["apiKey"]["scopes"], thing.get("user")),
        (&json!(["carriers:read"]), None)
    );
}

#[tokio::test]
async fn a_logout_ends_the_session_at_once_and_no_other() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (here, there) = (
        log_in(&app, &acme.owner_email).await,
        log_in(&app, &acme.owner_email).await,
    );

    here.client
        .post("/api/v1/auth/logout", json!({}))
        .await
        .expect(204);

    assert!(!here.is_alive().await);
    assert_eq!(super::try_refresh(&app, &here.refresh_token).await.status, 401);
    assert!(there.is_alive().await);
    super::try_refresh(&app, &there.refresh_token).await.expect(200);
}

/// As while a change of `auth.access_ttl_seconds` is rolled out.
#[tokio::test]
async fn a_logout_is_heard_by_processes_whose_tokens_live_longer() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let one = program.serve().await.unwrap();
    let other = program
        .with("FAIRLEAD__AUTH__ACCESS_TTL_SECONDS", "30")
        .serve()
        .await
        .unwrap();
    let acme = TestTenant::sign_up(one.anonymous(), "acme").await;
    let first = acme.log_in().await;
    let log_out = async |client: &Client| {
        client.post("/api/v1/auth/logout", json!({})).await.expect(204);
    };
    let is_refused = async |client: &Client| client.get("/api/v1/auth/me").await.status == 401;

    // The one has heard of a session whose tokens live long; then one ends where they do not.
    log_out(&first).await;
    wait_until("both refuse it", async || {
        is_refused(&first).await && is_refused(&first.at(&other.url)).await
    })
    .await;
    log_out(&acme.owner.at(&other.url)).await;

    wait_until("the one refuses it, too", async || is_refused(&acme.owner).await).await;
}

/// Counts what it is asked to do.
#[derive(Debug)]
struct CountingHasher {
    inner: Argon2PasswordHasher,
    checks: AtomicUsize,
}

#[async_trait]
impl PasswordHasher for CountingHasher {
    async fn hash(&self, password: &Password) -> Result<String, HasherBusy> {
        self.inner.hash(password).await
    }

    async fn verify(&self, password: &str, hash: &str) -> Result<bool, HasherBusy> {
        self.checks.fetch_add(1, Ordering::Relaxed);
        self.inner.verify(password, hash).await
    }

    async fn verify_nothing(&self, password: &str) -> Result<(), HasherBusy> {
        self.checks.fetch_add(1, Ordering::Relaxed);
        self.inner.verify_nothing(password).await
    }
}

/// The stores and adapters that a login takes, without a server around them.
struct LoginParts {
    system: PgSystemStore,
    hasher: CountingHasher,
    tokens: JwtAccessTokens,
}

impl LoginParts {
    async fn new(app: &TestApp) -> Self {
        let clock = Arc::new(TestClock::default());
        let config = store_config(
            app.database.url(DatabaseRole::App),
            app.database.url(DatabaseRole::System),
            2,
        );
        let cluster = Cluster::connect(&config).await.unwrap();
        let parts = StoreParts {
            clock: clock.clone(),
            ..store_parts()
        };
        let now = clock.now();
        let keys = Arc::new(KeyRing::open_or_create(&app.data_dir().path().join("other-keys"), now).unwrap());
        let settings = AccessTokenSettings {
            issuer: "fairlead".to_owned(),
            audience: "fairlead-api".to_owned(),
            lifetime: time::Duration::minutes(15),
        };
        Self {
            system: PgSystemStore::new(cluster, &config, parts),
            hasher: CountingHasher {
                inner: Argon2PasswordHasher::new(HasherLimits::default()),
                checks: AtomicUsize::new(0),
            },
            tokens: JwtAccessTokens::new(keys, settings),
        }
    }

    /// How many passwords a login checks, and what comes of it.
    async fn checks(
        &self,
        email: &str,
        tenant: Option<&str>,
        password: &str,
    ) -> (usize, Result<(), LoginError>) {
        let limit = ThrottleLimit {
            failures: 100,
            window: time::Duration::minutes(10),
            lockout: time::Duration::minutes(1),
        };
        let request = LoginRequest {
            email: email.to_owned(),
            password: Secret::new(password.to_owned()),
            tenant: tenant.map(str::to_owned),
            address: [127, 0, 0, 1].into(),
        };
        let issuer = Issuer {
            access: &self.tokens,
            secrets: &Sha256Secrets,
            session_lifetime: time::Duration::days(30),
            refresh_leeway: time::Duration::ZERO,
        };
        let policy = LoginPolicy {
            account: limit,
            address: limit,
        };
        let before = self.hasher.checks.load(Ordering::Relaxed);
        let outcome = identity::login(&self.system, &self.hasher, issuer, policy, request).await;
        (
            self.hasher.checks.load(Ordering::Relaxed) - before,
            outcome.map(drop),
        )
    }
}

/// The time an answer takes is the time of its one password check, give or take what nobody can measure from afar.
#[tokio::test]
async fn a_login_to_one_account_or_none_checks_exactly_one_password() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    invite(&acme, "invited@acme.test", "VIEWER").await;
    let parts = LoginParts::new(&app).await;

    let right = parts.checks(&acme.owner_email, None, PASSWORD).await;
    let wrong = parts.checks(&acme.owner_email, None, "not the password").await;
    let unknown = parts.checks("nobody@acme.test", None, PASSWORD).await;
    let not_accepted = parts.checks("invited@acme.test", None, PASSWORD).await;

    assert!(matches!(right, (1, Ok(()))), "{right:?}");
    for (what, refused) in [
        ("wrong", wrong),
        ("unknown", unknown),
        ("not accepted", not_accepted),
    ] {
        assert!(
            matches!(refused, (1, Err(LoginError::Refused))),
            "{what}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_login_to_several_accounts_checks_the_oldest_first_and_at_most_eight() {
    let app = TestApp::start().await;
    let mut slugs = Vec::new();
    for number in 1..=9 {
        let (name, password) = (
            format!("Tenant {number}"),
            format!("the password number {number}"),
        );
        slugs.push(sign_up(&app, &name, "ann@work.test", &password).await);
    }
    let parts = LoginParts::new(&app).await;
    let checks = |slug, number| {
        let password = format!("the password number {number}");
        let parts = &parts;
        async move { parts.checks("ann@work.test", slug, &password).await }
    };

    let first = checks(None, 1).await;
    let third = checks(None, 3).await;
    let ninth = checks(None, 9).await;
    let named = checks(Some(slugs[8].as_str()), 9).await;

    assert!(matches!(first, (1, Ok(()))), "{first:?}");
    assert!(matches!(third, (3, Ok(()))), "{third:?}");
    assert!(matches!(ninth, (8, Err(LoginError::Refused))), "{ninth:?}");
    assert!(matches!(named, (1, Ok(()))), "{named:?}");
}
