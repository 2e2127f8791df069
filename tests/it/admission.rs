//! Who gets through when more is asked than can be done.
//!
//! Requests are held up behind the gate by a lock on a table, so what is behind it, and what waits, is known.

use std::time::Duration;

use fairlead::config::Config;
use fairlead_telemetry::spawn;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::{Client, Response, TestApp, wait_until};
use tokio::task::JoinHandle;

const ADMISSION: &str = "/api/v1/performance/admission";
const LEADS: &str = "/api/v1/leads";
const CARRIERS: &str = "/api/v1/carriers";
/// Nobody is to be refused because a test is slow.
const LONG: Duration = Duration::from_mins(1);

/// A server behind whose gate there is room for two.
async fn narrow(max_waiting: usize) -> TestApp {
    narrow_with(max_waiting, |_| {}).await
}

/// The same, otherwise configured.
async fn narrow_with(max_waiting: usize, configure: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::start_with(|config| {
        (config.admission.min_limit, config.admission.max_limit) = (2, 2);
        config.admission.max_wait = LONG;
        config.admission.max_waiting = max_waiting;
        config.cache.responses.enabled = false;
        config.http.request_timeout = LONG;
        config.database.statement_timeout = LONG;
        config.database.pool.acquire_timeout = LONG;
        config.database.pool.create_timeout = LONG;
        configure(config);
    })
    .await
}

/// Holds up whoever asks for leads, until it is closed.
async fn lock_leads(app: &TestApp) -> PgConnection {
    let mut blocker = app.database.connect(DatabaseRole::Superuser).await;
    blocker
        .execute("BEGIN; LOCK TABLE leads IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    blocker
}

fn ask(client: &Client, path: &'static str) -> JoinHandle<Response> {
    let client = client.clone();
    spawn(async move { client.get(path).await })
}

fn create_in_bulk(client: &Client) -> JoinHandle<Response> {
    let client = client.clone();
    spawn(async move {
        let body = json!({"leads": [{"name": "Ann Lee", "email": "ann@example.com"}]});
        client.post("/api/v1/leads/bulk", body).await
    })
}

/// What operators see: one who asks gets through whatever is going on.
async fn class(operator: &Client, name: &str) -> Value {
    let view = operator.get(ADMISSION).await.expect(200);
    let classes = view["classes"].as_array().unwrap();
    classes
        .iter()
        .find(|class| class["class"] == name)
        .unwrap()
        .clone()
}

async fn until(operator: &Client, name: &str, member: &str, count: u64) {
    wait_until(&format!("{count} {name} are {member}"), async || {
        class(operator, name).await[member] == count
    })
    .await;
}

#[tokio::test]
async fn bulk_work_goes_first_a_tenant_that_asks_much_waits_for_itself_and_operators_get_through() {
    let app = narrow(2).await;
    let operator = app.operator("ops").await;
    let (acme, umbrella, hooli) = (
        app.tenant("acme").await,
        app.tenant("umbrella").await,
        app.tenant("hooli").await,
    );
    let blocker = lock_leads(&app).await;

    // Acme takes all the room, and the places to wait.
    let held = [ask(&acme.owner, LEADS), ask(&acme.owner, LEADS)];
    until(&operator, "interactive", "inFlight", 2).await;
    let waits = ask(&acme.owner, LEADS);
    until(&operator, "interactive", "waiting", 1).await;
    let bulk = create_in_bulk(&acme.owner);
    until(&operator, "bulk", "waiting", 1).await;

    // Umbrella has had nothing, so there is room for it; Hooli finds a place to wait, which the bulk work gives up.
    let neighbour = ask(&umbrella.owner, LEADS);
    until(&operator, "interactive", "inFlight", 3).await;
    let third = ask(&hooli.owner, LEADS);
    let refused = bulk.await.unwrap();
    until(&operator, "interactive", "waiting", 2).await;

    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.problem(), "over-share");
    assert_eq!(refused.header("retry-after"), Some("5"));
    // There is no place left, and nobody who has more than acme.
    let one_more = acme.owner.get(LEADS).await;
    assert_eq!(
        (one_more.status.as_u16(), &*one_more.problem()),
        (429, "over-share")
    );
    assert_eq!(one_more.header("retry-after"), Some("1"));

    blocker.close().await.unwrap();
    for request in held.into_iter().chain([waits, neighbour, third]) {
        request.await.unwrap().expect(200);
    }
    let view = operator.get(ADMISSION).await.expect(200);
    let acme_id = acme.owner.get("/api/v1/tenant").await.expect(200)["id"].clone();
    assert_eq!(view["mostRefused"], json!([{"tenantId": acme_id, "refused": 2}]));
    assert_eq!(
        class(&operator, "interactive").await["refused"],
        json!({"over-share": 1})
    );
    assert_eq!(
        class(&operator, "bulk").await["refused"],
        json!({"over-share": 1})
    );
}

#[tokio::test]
async fn who_is_refused_while_nobody_else_asks_is_told_that_we_are_at_fault() {
    let app = narrow(1).await;
    let operator = app.operator("ops").await;
    let acme = app.tenant("acme").await;
    let blocker = lock_leads(&app).await;
    let mut held = vec![ask(&acme.owner, LEADS), ask(&acme.owner, LEADS)];
    until(&operator, "interactive", "inFlight", 2).await;
    held.push(ask(&acme.owner, LEADS));
    until(&operator, "interactive", "waiting", 1).await;

    app.expect_server_errors();
    let refused = acme.owner.get(LEADS).await;

    assert_eq!(
        (refused.status.as_u16(), &*refused.problem()),
        (503, "overloaded")
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    // Whoever needs no room has it: health, and who has to say first who it is.
    app.anonymous().get("/health/ready").await.expect(200);
    app.anonymous().get(LEADS).await.expect(401);
    blocker.close().await.unwrap();
    for request in held {
        request.await.unwrap().expect(200);
    }
    until(&operator, "interactive", "inFlight", 0).await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_its_place() {
    let app = narrow(8).await;
    let operator = app.operator("ops").await;
    let acme = app.tenant("acme").await;
    let blocker = lock_leads(&app).await;
    let held = [ask(&acme.owner, LEADS), ask(&acme.owner, LEADS)];
    until(&operator, "interactive", "inFlight", 2).await;
    let gone = ask(&acme.owner, LEADS);
    until(&operator, "interactive", "waiting", 1).await;

    gone.abort();

    until(&operator, "interactive", "waiting", 0).await;
    blocker.close().await.unwrap();
    for request in held {
        request.await.unwrap().expect(200);
    }
}

/// What is loaded for it others may wait for, too, so it goes on; the database has no less to do than before.
#[tokio::test]
async fn what_is_loaded_for_a_client_that_goes_away_takes_room_until_it_is_there() {
    let app = narrow_with(8, |config| config.cache.responses.enabled = true).await;
    let operator = app.operator("ops").await;
    let acme = app.tenant("acme").await;
    let blocker = lock_leads(&app).await;
    let gone = [ask(&acme.owner, LEADS), ask(&acme.owner, "/api/v1/leads?limit=5")];
    until(&operator, "interactive", "inFlight", 2).await;
    let waits = ask(&acme.owner, CARRIERS);
    until(&operator, "interactive", "waiting", 1).await;

    for client in gone {
        client.abort();
    }

    // Whoever comes later and goes away is noticed later.
    let later = ask(&acme.owner, CARRIERS);
    until(&operator, "interactive", "waiting", 2).await;
    later.abort();
    until(&operator, "interactive", "waiting", 1).await;
    assert_eq!(class(&operator, "interactive").await["inFlight"], 2);
    assert!(!waits.is_finished(), "it was let in beside them");
    blocker.close().await.unwrap();
    waits.await.unwrap().expect(200);
    until(&operator, "interactive", "inFlight", 0).await;
}

#[tokio::test]
async fn while_many_requests_fail_bulk_work_is_refused_and_what_is_kept_stands_in() {
    let app = TestApp::start_with(|config| {
        config.admission.errors.begin_percent = 10;
        config.admission.errors.window = Duration::from_secs(3);
        config.cache.ttl_seconds.insert("leads_list".to_owned(), 1);
    })
    .await;
    app.expect_server_errors();
    let operator = app.operator("ops").await;
    let acme = app.tenant("acme").await;
    acme.lead("Ann").await;
    // From memory once, so that the way to it is known.
    wait_until("the list is answered from memory", async || {
        acme.owner.get(LEADS).await.header("fairlead-read-source") == Some("l1")
    })
    .await;
    let mut owner = app.database.connect(DatabaseRole::Owner).await;
    owner
        .execute("ALTER TABLE carriers RENAME TO carriers_away")
        .await
        .unwrap();

    let shedding = async || operator.get(ADMISSION).await.expect(200)["shedding"].clone();
    wait_until("many requests fail", async || {
        acme.owner.get(CARRIERS).await;
        shedding().await["active"] == true
    })
    .await;

    let bulk = create_in_bulk(&acme.owner).await.unwrap();
    assert_eq!((bulk.status.as_u16(), &*bulk.problem()), (503, "overloaded"));
    acme.owner.get("/api/v1/users").await.expect(200);
    wait_until(
        "the list's time is over, and it is shown all the same",
        async || {
            acme.owner.get(CARRIERS).await;
            let list = acme.owner.get(LEADS).await;
            list.status == 200 && list.header("fairlead-degraded") == Some("stale")
        },
    )
    .await;
    assert!(shedding().await["standIns"].as_u64().unwrap() >= 1);
    assert_eq!(class(&operator, "bulk").await["refused"], json!({"shed": 1}));

    owner
        .execute("ALTER TABLE carriers_away RENAME TO carriers")
        .await
        .unwrap();
    wait_until("it is over", async || shedding().await["active"] == false).await;
    create_in_bulk(&acme.owner).await.unwrap().expect(200);
    let view = shedding().await;
    assert_eq!(view["spells"], 1);
}

#[tokio::test]
async fn figures_tell_who_works_and_who_was_refused() {
    let app = narrow(8).await;
    let acme = app.tenant("acme").await;
    acme.owner.get(LEADS).await.expect(200);

    let page = reqwest::get(app.metrics_url())
        .await
        .unwrap()
        .text()
        .await
        .unwrap();

    for line in [
        "admission_limit 2",
        "admission_in_flight{class=\"interactive\"} 0",
        "admission_waiting{class=\"bulk\"} 0",
        "admission_refused_total{class=\"bulk\",reason=\"shed\"} 0",
        "admission_shedding 0",
    ] {
        assert!(page.lines().any(|told| told == line), "{line} is not in\n{page}");
    }
}
