//! Connections: what happens when there are none left.

use std::time::{Duration, Instant};

use fairlead_domain::Id;
use fairlead_domain::access::{SystemScope, TenantScope};
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::store::Store as _;
use fairlead_postgres::{Cluster, PgStore};
use fairlead_telemetry::spawn;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{Client, TestDatabase, TestTenant, store_config, store_parts, wait_until};
use uuid::Uuid;

#[tokio::test]
async fn a_pool_starved_by_a_lock_refuses_in_time_and_names_who_holds_it() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("DB_POOL_MIN", "0")
        .with("DB_POOL_MAX", "2")
        .with("FAIRLEAD__DATABASE__POOL__ACQUIRE_TIMEOUT_MS", "300");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut blocker = database.connect(DatabaseRole::Superuser).await;
    blocker
        .execute("BEGIN; LOCK TABLE carriers IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();

    let starved: Vec<_> = ["One", "Two"]
        .map(|name| {
            let owner = acme.owner.clone();
            spawn(async move {
                let body = json!({ "name": name });
                let request = owner.request(Method::POST, "/api/v1/carriers").json(&body);
                owner
                    .send(request.header("x-request-id", format!("held-{name}")))
                    .await
            })
        })
        .into_iter()
        .collect();
    wait_until("both connections are held", async || {
        let pool = app_pool(&operator).await;
        let holders = pool["holders"].as_array().unwrap();
        let waiting = |holder: &&Value| holder["statement"].as_str().unwrap().contains("carriers");
        holders.iter().filter(waiting).count() == 2
    })
    .await;

    let body = json!({ "name": "Ann" });
    let request = acme.owner.request(Method::POST, "/api/v1/leads").json(&body);
    let asked = Instant::now();
    let refused = acme.owner.send(request).await;

    let waited = asked.elapsed();
    // After 300 ms; a busy machine may take somewhat longer, and the deadline of the request is 10 s.
    assert!(waited < Duration::from_secs(3), "{waited:?}");
    assert_eq!(
        (refused.status.as_u16(), refused.problem().as_str()),
        (503, "unavailable")
    );
    assert!(refused.header("retry-after").is_some());
    let body = refused.json().to_string();
    assert!(!body.contains("carriers") && !body.contains("pool"), "{body}");
    let pool = app_pool(&operator).await;
    assert_eq!(
        (&pool["utilisation"], &pool["max"]),
        (&json!(1.0), &json!(2)),
        "{pool}"
    );
    assert!(pool["timeouts"].as_u64().unwrap() >= 1, "{pool}");
    let held: Vec<&str> = pool["holders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|holder| {
            assert_eq!(holder["name"], "POST /api/v1/carriers", "{holder}");
            assert!(
                holder["statement"].as_str().unwrap().contains("carriers"),
                "{holder}"
            );
            holder["requestId"].as_str().unwrap()
        })
        .collect();
    assert!(
        held.contains(&"held-One") && held.contains(&"held-Two"),
        "{held:?}"
    );
    let told = serving.events().iter().find_map(|event| {
        let error = event["error"].as_str()?.to_owned();
        error.contains("none of its 2 connections").then_some(error)
    });
    let told = told.expect("the log names the holders");
    assert!(
        told.contains("POST /api/v1/carriers (request held-One)"),
        "{told}"
    );
    // A busy pool is not a database that is down.
    serving.anonymous().get("/health/ready").await.expect(200);

    blocker.close().await.unwrap();
    for request in starved {
        request.await.unwrap().expect(201);
    }
    acme.owner.get("/api/v1/leads").await.expect(200);
}

/// Others have connections again in a moment: answers whose time is over are not shown instead.
#[tokio::test]
async fn a_pool_without_a_free_connection_is_no_database_that_is_away() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("DB_POOL_MIN", "0")
        .with("DB_POOL_MAX", "2")
        .with("FAIRLEAD__DATABASE__POOL__ACQUIRE_TIMEOUT_MS", "1000")
        .with("FAIRLEAD__CACHE__TTL_SECONDS__LEADS_LIST", "1")
        .with("FAIRLEAD__CACHE__STALE_SECONDS", "0");
    let serving = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    acme.owner.get("/api/v1/leads").await.expect(200);
    let mut blocker = database.connect(DatabaseRole::Superuser).await;
    blocker
        .execute("BEGIN; LOCK TABLE leads IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let starved: Vec<_> = ["One", "Two"]
        .map(|name| {
            let owner = acme.owner.clone();
            spawn(async move { owner.post("/api/v1/leads", json!({ "name": name })).await })
        })
        .into_iter()
        .collect();

    wait_until("the answer's time is over", async || {
        let refused = acme.owner.get("/api/v1/leads").await;
        let warning = refused.header("warning");
        assert!(
            warning.is_none(),
            "it is told that the database is away: {warning:?}"
        );
        refused.status == 503
    })
    .await;

    blocker.close().await.unwrap();
    for request in starved {
        request.await.unwrap().expect(201);
    }
    let fresh = acme.owner.get("/api/v1/leads").await.expect(200);
    assert_eq!(fresh["items"].as_array().unwrap().len(), 2);
}

async fn app_pool(operator: &Client) -> Value {
    primary(operator).await["pools"][0].clone()
}

async fn primary(operator: &Client) -> Value {
    let view = operator
        .get("/api/v1/performance/database/connection-pool")
        .await
        .expect(200);
    view["nodes"][0].clone()
}

#[tokio::test]
async fn a_pool_keeps_its_minimum_open_and_replaces_what_is_worn() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("DB_POOL_MIN", "3")
        .with("DB_POOL_MAX", "4")
        .with("FAIRLEAD__DATABASE__POOL__MAX_USES", "10");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;

    wait_until("the minimum is open before anybody asks", async || {
        app_pool(&operator).await["open"] == 3
    })
    .await;
    let first = app_backends(&mut superuser).await;

    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    wait_until("one of the first connections was replaced", async || {
        acme.owner.get("/api/v1/carriers").await.expect(200);
        let body = json!({ "name": "Ann" });
        acme.owner.post("/api/v1/leads", body).await.expect(201);
        let now = app_backends(&mut superuser).await;
        assert!(now.len() <= 4, "{now:?}");
        first.iter().any(|pid| !now.contains(pid))
    })
    .await;
    wait_until("the minimum is open again", async || {
        app_pool(&operator).await["open"].as_u64() >= Some(3)
    })
    .await;
}

#[tokio::test]
async fn a_server_without_room_for_more_connections_costs_no_request() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("DB_POOL_MIN", "2")
        .with("DB_POOL_MAX", "20")
        // On a busy machine even a refusal may take seconds.
        .with("FAIRLEAD__DATABASE__POOL__CREATE_TIMEOUT_MS", "30000")
        .with("FAIRLEAD__DATABASE__POOL__ACQUIRE_TIMEOUT_MS", "30000")
        .with("FAIRLEAD__HTTP__REQUEST_TIMEOUT_MS", "60000")
        .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "false");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    wait_until("the minimum is open", async || {
        app_backends(&mut superuser).await.len() >= 2
    })
    .await;
    let limit =
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 1', current_database()); END $$";
    superuser.execute(limit).await.unwrap();

    let asked = (0..200).map(|_| acme.owner.get("/api/v1/leads"));
    let answers = futures_util::future::join_all(asked).await;

    for answer in answers {
        answer.expect(200);
    }
    let refused = PgConnection::connect(&database.url(DatabaseRole::App)).await;
    assert!(refused.is_err(), "the database has room after all");
    assert_eq!(primary(&operator).await["inRotation"], true);

    // Also when the connection is gone by which the server is looked at: those of the pool work.
    let watching = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND query LIKE '%pg_postmaster_start_time%'
                      AND pid <> pg_backend_pid()";
    superuser.execute(watching).await.unwrap();
    wait_until("the server is not seen any more", async || {
        primary(&operator).await["latencyMs"].is_null()
    })
    .await;
    let mut stood = Vec::new();
    for _ in 0..20 {
        acme.owner.get("/api/v1/leads").await.expect(200);
        acme.lead("Ann").await;
        let node = primary(&operator).await;
        stood.push((node["inRotation"] == true, node["latencyMs"].is_null()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stood, [(true, true)].repeat(20), "in rotation, and not seen");
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_any_more_is_given_up() {
    let database = TestDatabase::create().await;
    let url = database.url(DatabaseRole::App);
    let mut config = store_config(url.clone(), url, 1);
    config.statement_timeout = Duration::from_hours(1);
    let cluster = Cluster::connect(&config).await.unwrap();
    let store = PgStore::new(cluster, store_parts());
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let mut blocker = database.connect(DatabaseRole::Superuser).await;
    blocker
        .execute("BEGIN; LOCK TABLE tenants IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let mut waiters = async || -> i64 {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        sqlx::query_scalar(waiting)
            .fetch_one(&mut superuser)
            .await
            .unwrap()
    };

    let reading = spawn(async move {
        let mut uow = store.read(&any_tenant(), ReadIntent::INTERACTIVE).await?;
        uow.tenants().get().await
    });
    wait_until("it waits for the lock", async || waiters().await == 1).await;
    reading.abort();

    wait_until("nothing waits for the lock", async || waiters().await == 0).await;
    blocker.close().await.unwrap();
}

#[tokio::test]
async fn a_statement_is_prepared_anew_after_what_it_returns_has_changed() {
    let database = TestDatabase::create().await;
    let url = database.url(DatabaseRole::App);
    let cluster = Cluster::connect(&store_config(url.clone(), url, 1))
        .await
        .unwrap();
    let store = PgStore::new(cluster, store_parts());
    let read = async || {
        let mut uow = store.read(&any_tenant(), ReadIntent::INTERACTIVE).await?;
        uow.carriers().find(Id::from_uuid(Uuid::nil())).await
    };
    assert!(read().await.unwrap().is_none());

    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser
        .execute("ALTER TABLE carriers ALTER COLUMN name TYPE varchar(500)")
        .await
        .unwrap();

    assert!(read().await.unwrap().is_none());
    let mut uow = store.begin(&any_tenant()).await.unwrap();
    let written = uow.carriers().find(Id::from_uuid(Uuid::nil())).await;
    assert!(written.unwrap().is_none());
}

#[expect(clippy::disallowed_methods, reason = "the test stands in for the platform")]
fn any_tenant() -> TenantScope {
    SystemScope::new("test").tenant(Id::from_uuid(Uuid::from_u128(7)))
}

/// The server's processes for the pool of requests.
async fn app_backends(superuser: &mut PgConnection) -> Vec<i32> {
    sqlx::query_scalar(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'fairlead-app'",
    )
    .fetch_all(superuser)
    .await
    .unwrap()
}
