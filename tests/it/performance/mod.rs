//! What operators are told of requests and statements, held against what a client has seen itself.

use std::time::{Duration, Instant};

use fairlead_telemetry::spawn;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{Client, TestApp, TestDatabase, TestTenant, wait_until};

mod acts;
mod alerts;
mod bottlenecks;
mod built_indexes;
mod capacity;
mod health;
mod history;
mod hostile_queries;
mod indexing;
mod ledger;
mod neighbours;
mod planted;
mod queries;
mod recording;
mod relief;
mod report;
mod reset;
mod stream;
mod suggestions;
mod table_stats;
mod turns;
mod vitals;

const SLOW: &str = "/api/v1/performance/slow-requests";
const ENDPOINTS: &str = "/api/v1/performance/endpoints";

fn endpoint<'a>(endpoints: &'a Value, method: &str, route: &str) -> &'a Value {
    let items = endpoints["items"].as_array().unwrap();
    let found = items
        .iter()
        .find(|item| item["method"] == method && item["route"] == route);
    found.unwrap_or_else(|| panic!("no {method} {route} in {endpoints:#}"))
}

#[tokio::test]
async fn a_request_that_waits_in_the_database_is_kept_with_the_statement_it_waited_for() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database).with("FAIRLEAD__HTTP__SLOW_REQUEST_MS", "150");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut blocker = database.connect(DatabaseRole::Superuser).await;
    blocker
        .execute("BEGIN; LOCK TABLE carriers IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let began = Instant::now();
    let owner = acme.owner.clone();
    let waiting = spawn(async move {
        let request = owner.request(Method::GET, "/api/v1/carriers");
        owner.send(request.header("x-request-id", "the-slow-one")).await
    });
    wait_until("it waits for the lock", async || {
        let mut other = database.connect(DatabaseRole::Superuser).await;
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'carriers'::regclass";
        let waits: i64 = sqlx::query_scalar(waits).fetch_one(&mut other).await.unwrap();
        waits == 1 && began.elapsed() > Duration::from_millis(300)
    })
    .await;
    blocker.close().await.unwrap();
    waiting.await.unwrap().expect(200);
    let took = began.elapsed().as_secs_f64() * 1_000.0;

    let kept = operator
        .get("/api/v1/performance/requests/the-slow-one")
        .await
        .expect(200);

    let (told, spent) = (kept["tookMs"].as_f64().unwrap(), &kept["spent"]);
    assert!((150.0..=took).contains(&told), "{told} of {took}");
    assert_eq!(
        (
            &kept["route"],
            &kept["status"],
            &kept["isSlow"],
            &kept["tenantId"]
        ),
        (
            &json!("/api/v1/carriers"),
            &json!(200),
            &json!(true),
            &json!(acme.id)
        ),
        "{kept:#}"
    );
    let [in_database, for_connection] =
        ["databaseMs", "poolWaitMs"].map(|name| spent[name].as_f64().unwrap());
    assert!(in_database >= 150.0 && in_database <= told, "{kept:#}");
    assert!(in_database + for_connection > told * 0.8, "{kept:#}");
    let statements = spent["statements"].as_array().unwrap();
    let longest = statements
        .iter()
        .max_by(|left, right| {
            left["timeMs"]
                .as_f64()
                .unwrap()
                .total_cmp(&right["timeMs"].as_f64().unwrap())
        })
        .unwrap();
    assert!(longest["text"].as_str().unwrap().contains("carriers"), "{kept:#}");
    let listed = operator
        .get(&format!("{SLOW}?sort=slowest&limit=1&route=/api/v1/carriers"))
        .await
        .expect(200);
    assert_eq!(listed["items"][0], kept);
    assert_eq!(listed["thresholdMs"], 150.0);
    let warned = |event: &Value| {
        let message = event["message"].as_str().unwrap_or_default();
        message.starts_with("Slow request: GET /api/v1/carriers - ")
    };
    assert!(serving.events().iter().any(warned));
}

#[tokio::test]
async fn a_request_that_waits_for_a_connection_says_so() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("DB_POOL_MIN", "0")
        .with("DB_POOL_MAX", "1")
        // What is waited for here comes late on a busy machine.
        .with("FAIRLEAD__DATABASE__POOL__ACQUIRE_TIMEOUT_MS", "30000")
        .with("FAIRLEAD__HTTP__REQUEST_TIMEOUT_MS", "60000")
        .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "false")
        .with("FAIRLEAD__HTTP__SLOW_REQUEST_MS", "150");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    acme.owner.get("/api/v1/leads").await.expect(200);
    let mut blocker = database.connect(DatabaseRole::Superuser).await;
    blocker
        .execute("BEGIN; LOCK TABLE carriers IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let began = Instant::now();
    let send = |path: &'static str| {
        let owner = acme.owner.clone();
        spawn(async move { owner.get(path).await })
    };
    let pool = async || {
        let pools = operator
            .get("/api/v1/performance/database/connection-pool")
            .await
            .expect(200);
        pools["nodes"][0]["pools"][0].clone()
    };
    let holds = send("/api/v1/carriers");
    wait_until("the connection is lent", async || pool().await["active"] == 1).await;
    let waits = send("/api/v1/leads");
    wait_until("another one waits", async || {
        // What happens behind the scenes may wait for it, too.
        pool().await["waiting"].as_u64() >= Some(1) && began.elapsed() > Duration::from_millis(400)
    })
    .await;
    blocker.close().await.unwrap();
    holds.await.unwrap().expect(200);
    waits.await.unwrap().expect(200);

    let listed = operator
        .get(&format!("{SLOW}?route=/api/v1/leads&tenantId={}", acme.id))
        .await
        .expect(200);

    let spent = &listed["items"][0]["spent"];
    let (waited, worked) = (
        spent["poolWaitMs"].as_f64().unwrap(),
        spent["databaseMs"].as_f64().unwrap(),
    );
    assert!(waited > 150.0 && waited > worked, "{listed:#}");
}

#[tokio::test]
async fn routes_are_told_of_with_as_many_requests_as_were_sent() {
    let app = TestApp::start_with(|config| config.cache.responses.enabled = false).await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("ops").await;
    acme.lead("Ann").await;
    let began = Instant::now();
    for _ in 0..20 {
        acme.owner.get("/api/v1/leads?status=NEW").await.expect(200);
    }
    for _ in 0..5 {
        acme.owner.get("/api/v1/leads?status=WRONG").await.expect(422);
    }
    let took = began.elapsed().as_secs_f64() * 1_000.0;

    let endpoints = operator.get(ENDPOINTS).await.expect(200);
    let queries = operator
        .get("/api/v1/performance/database/slow-queries?limit=500")
        .await
        .expect(200);
    let stats = operator.get("/api/v1/performance/stats").await.expect(200);

    let list = endpoint(&endpoints, "GET", "/api/v1/leads");
    let count = |latency: &Value| latency["count"].as_u64().unwrap();
    let statuses: Vec<_> = list["statuses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| (of["status"].as_str().unwrap(), count(&of["latency"])))
        .collect();
    assert_eq!(
        (count(&list["latency"]), statuses),
        (25, vec![("2xx", 20), ("4xx", 5)])
    );
    let mean = list["latency"]["meanMs"].as_f64().unwrap();
    assert!(mean > 0.0 && mean * 25.0 < took, "{mean} x 25 of {took}");
    let quantile = |name: &str| list["latency"][name].as_f64().unwrap();
    assert!(
        quantile("p50Ms") <= quantile("p95Ms") && quantile("p95Ms") <= quantile("maxMs"),
        "{list:#}"
    );

    // Each list is one statement, and so the statement says.
    let statement = &list["statements"][0];
    assert_eq!(
        (
            &statement["requests"],
            &statement["calls"],
            &statement["rows"],
            &statement["mostCalls"]
        ),
        (&json!(20), &json!(20), &json!(20), &json!(1)),
        "{list:#}"
    );
    let all = queries["items"].as_array().unwrap();
    let query = all
        .iter()
        .find(|query| query["fingerprint"] == statement["fingerprint"]);
    let query = query.unwrap();
    assert_eq!((count(&query["latency"]), &query["failed"]), (20, &json!(0)));
    let route = json!({
        "method": "GET", "route": "/api/v1/leads", "requests": 20, "calls": 20, "timeMs": statement["timeMs"],
        "mostCalls": 1, "repeatingRequests": 0,
    });
    assert_eq!(query["routes"], json!([route]));
    let calls: u64 = all.iter().map(|query| count(&query["latency"])).sum();
    assert_eq!(queries["calls"], calls);
    let statuses = stats["statuses"].as_object().unwrap();
    assert_eq!(statuses["422"], 5);
    let answers: u64 = statuses.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(answers, count(&stats["latency"]));
    assert_eq!(stats["errorRatio"], 0.0);
}

#[tokio::test]
async fn each_route_has_its_slowest_request_kept_and_others_are_not() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("ops").await;
    acme.owner.get("/api/v1/users").await.expect(200);

    let listed = operator
        .get(&format!("{SLOW}?route=/api/v1/users&limit=500"))
        .await
        .expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed:#}");
    let id = listed["items"][0]["requestId"].as_str().unwrap();
    operator
        .get(&format!("/api/v1/performance/requests/{id}"))
        .await
        .expect(200);
    let missing = operator.get("/api/v1/performance/requests/never-was").await;
    assert_eq!(
        (missing.status.as_u16(), missing.problem()),
        (404, "not-found".to_owned())
    );
    let refused: &Client = &acme.owner;
    assert_eq!(refused.get(SLOW).await.status, 403);
}
