//! What browsers tell of page views.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{Client, TestApp, TestDatabase, TestTenant, wait_until};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::events::retention::system_by;

const VITALS: &str = "/api/v1/analytics/vitals";

async fn tell(client: &Client, items: Value) -> Value {
    client.post(VITALS, json!({ "items": items })).await.expect(202)
}

fn vital<'a>(answer: &'a Value, page: &str, name: &str) -> &'a Value {
    let pages = answer["items"].as_array().unwrap().iter();
    let mut of_page = pages.filter(|item| item["page"] == page);
    let vitals = of_page.next().map(|page| page["vitals"].as_array().unwrap());
    let found = vitals.into_iter().flatten().find(|vital| vital["name"] == name);
    found.unwrap_or(&Value::Null)
}

#[tokio::test]
async fn what_browsers_tell_is_told_by_page_to_their_tenant_and_of_all_to_operators() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "1000")
        // Each request is worth keeping.
        .with("FAIRLEAD__HTTP__SLOW_REQUEST_MS", "1");
    let (first, second) = (program.serve().await.unwrap(), program.serve().await.unwrap());
    let operator = operator(&program, &first).await;
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let umbrella = TestTenant::sign_up(first.anonymous(), "umbrella").await;
    let request = acme.owner.request(Method::GET, "/api/v1/users");
    let loaded = acme.owner.send(request.header("x-request-id", "the-view")).await;
    loaded.expect(200);

    // 100, 200, … 2,000 ms, of twenty leads, by two processes.
    let elsewhere = acme.owner.at(&second.url);
    for lead in 1..=20 {
        let view = json!({"name": "LCP", "value": lead * 100, "page": format!("/leads/{lead}?q=Ann"), "requestId": "the-view"});
        let shift = json!({"name": "CLS", "value": 0.3, "page": "https://app.example.com/leads/7"});
        let client = if lead % 2 == 0 { &acme.owner } else { &elsewhere };
        let told = tell(client, json!([view, shift])).await;
        assert_eq!(told, json!({ "kept": 2, "percent": 100 }));
    }
    let own = json!([{"name": "LCP", "value": 9_000, "page": "/leads/1", "requestId": "the-view"}]);
    tell(&umbrella.owner, own).await;
    let mut told = Value::Null;
    wait_until("all of it is written down", async || {
        told = acme.owner.get(VITALS).await.expect(200);
        vital(&told, "/leads/:id", "LCP")["count"] == 20
    })
    .await;

    let painted = vital(&told, "/leads/:id", "LCP");
    let p75 = painted["p75"].as_f64().unwrap();
    assert!((p75 - 1_500.0).abs() <= 1_500.0 / 32.0, "{painted:#}");
    assert_eq!(painted["standing"], "good");
    let shifted = vital(&told, "/leads/:id", "CLS");
    assert_eq!(
        (&shifted["count"], &shifted["standing"]),
        (&json!(20), &json!("poor"))
    );
    assert!(
        (shifted["p75"].as_f64().unwrap() - 0.3).abs() < 0.01,
        "{shifted:#}"
    );

    // Joined with the server's own trace, where the process that was told has answered the request.
    let slowest = &painted["slowest"];
    assert_eq!(
        (&slowest["value"], &slowest["requestId"]),
        (&json!(2_000.0), &json!("the-view"))
    );
    let kept = operator
        .get("/api/v1/performance/requests/the-view")
        .await
        .expect(200);
    assert_eq!(
        (&slowest["traceId"], &slowest["serverMs"]),
        (&kept["traceId"], &kept["tookMs"])
    );

    // A request of another tenant is none that can be looked at.
    let theirs = umbrella.owner.get(VITALS).await.expect(200);
    let painted = vital(&theirs, "/leads/:id", "LCP");
    assert_eq!(
        (&painted["count"], &painted["standing"]),
        (&json!(1), &json!("poor"))
    );
    assert_eq!(painted["slowest"]["traceId"], Value::Null);
    let all = operator.get("/api/v1/performance/web-vitals").await.expect(200);
    let painted = vital(&all, "/leads/:id", "LCP");
    assert_eq!(
        (&painted["count"], &painted["slowest"]),
        (&json!(21), &Value::Null),
        "{all:#}"
    );
}

#[tokio::test]
async fn what_no_browser_measures_is_refused_with_each_of_its_faults() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let wrong = json!({"items": [
        {"name": "LCP", "value": 1, "page": "/"},
        {"name": "FPS", "value": 1, "page": "/"},
        {"name": "LCP", "value": -1, "page": "leads"},
        {"name": "CLS", "value": 101, "page": "/", "requestId": "a b"},
    ]});

    let refused = acme.owner.post(VITALS, wrong).await;

    let errors = refused.expect(422)["errors"].clone();
    let pointers: Vec<_> = errors
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].clone())
        .collect();
    assert_eq!(
        pointers,
        [
            "/items/1/name",
            "/items/2/value",
            "/items/2/page",
            "/items/3/value",
            "/items/3/requestId"
        ]
    );
    let many = vec![json!({"name": "LCP", "value": 1, "page": "/"}); 51];
    acme.owner
        .post(VITALS, json!({ "items": many }))
        .await
        .expect(422);
    acme.owner.post(VITALS, json!({ "items": [] })).await.expect(422);
}

#[tokio::test]
async fn whoever_wants_none_is_told_so() {
    let app = TestApp::start_with(|config| config.performance.web_vitals_percent = 0).await;
    let acme = app.tenant("acme").await;

    let told = tell(&acme.owner, json!([{"name": "LCP", "value": 1, "page": "/"}])).await;

    assert_eq!(told, json!({ "kept": 0, "percent": 0 }));
}

/// Two processes were told of one view in each hour of a day five days ago, and of one just now. It took 5 us, and its sketch
/// is written as it is by hand.
const OLD: &str = "
    INSERT INTO web_vitals (tenant_id, grain, at, page, vital, process, sketch, slowest_micros, slowest_request)
    SELECT tenant_id, 1, date_trunc('day', now() - interval '5 days', 'UTC') + n * interval '1 hour', '/leads', 'LCP', p,
           '\\x01882788270501', n, p || n
    FROM tenants, generate_series(0, 23) AS n, (VALUES ('a'), ('b')) AS of (p);
    INSERT INTO web_vitals (tenant_id, grain, at, page, vital, process, sketch)
    SELECT tenant_id, 1, date_trunc('hour', now(), 'UTC'), '/leads', 'LCP', 'a', '\\x01882788270501' FROM tenants;
    INSERT INTO web_vitals (tenant_id, grain, at, page, vital, process, sketch)
    SELECT tenant_id, 2, now() - interval '500 days', '/leads', 'LCP', '', '\\x01882788270501' FROM tenants";

/// Two hours of more processes than there are.
const CROWDED: &str = "
    INSERT INTO web_vitals (tenant_id, grain, at, page, vital, process, sketch)
    SELECT tenant_id, 1, date_trunc('hour', now(), 'UTC') - h * interval '1 hour', '/leads', 'LCP', 'p' || n,
           '\\x01882788270501'
    FROM tenants, generate_series(0, 1) AS h, generate_series(1, 12000) AS n";

#[tokio::test]
async fn what_is_too_much_to_be_added_up_is_told_since_when_it_is_known() {
    let database = TestDatabase::create().await;
    let serving = Program::on(&database).serve().await.unwrap();
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser.execute(CROWDED).await.unwrap();
    let newest = "SELECT max(at) FROM web_vitals";
    let newest: OffsetDateTime = sqlx::query_scalar(newest)
        .fetch_one(&mut superuser)
        .await
        .unwrap();

    let told = acme.owner.get(VITALS).await.expect(200);

    assert_eq!(vital(&told, "/leads", "LCP")["count"], 12_000, "{told:#}");
    let since = OffsetDateTime::parse(told["since"].as_str().unwrap(), &Rfc3339).unwrap();
    assert_eq!(since, newest, "{told:#}");
}

#[tokio::test]
async fn hours_become_days_and_lose_nothing() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser.execute(OLD).await.unwrap();
    // What is dated here is dated by the database's clock.
    let (system, cluster) = system_by(&database, Arc::new(fairlead::SystemClock)).await;

    for _ in 0..2 {
        system.thin_web_vitals().await.unwrap();
    }

    cluster.close().await;
    let left = "SELECT grain, count(*), max(slowest_request) FROM web_vitals GROUP BY grain ORDER BY 1";
    let left: Vec<(i32, i64, Option<String>)> = sqlx::query_as(left).fetch_all(&mut superuser).await.unwrap();
    assert_eq!(left, [(1, 1, None), (2, 1, Some("a23".to_owned()))]);
    let told = acme.owner.get(&format!("{VITALS}?period=week")).await.expect(200);
    let painted = vital(&told, "/leads", "LCP");
    assert_eq!(painted["count"], 49, "{told:#}");
}
