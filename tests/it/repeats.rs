//! Requests that are sent more than once with one `Idempotency-Key`: one after the other, at once, to two processes, and to
//! one that is killed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Connection as _;
use support::database::DatabaseRole;
use support::process::Program;
use support::{Client, Response, TestApp, TestDatabase, TestTenant, wait_until};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// How many requests come at once with one key.
const AT_ONCE: usize = 50;

async fn keyed(client: &Client, method: Method, path: &str, key: &str, body: Option<Value>) -> Response {
    let request = client.request(method, path).header("idempotency-key", key);
    client
        .send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
}

async fn leads_named(tenant: &TestTenant, name: &str) -> usize {
    let leads = tenant.owner.get("/api/v1/leads?limit=200").await.expect(200);
    let leads = leads["items"].as_array().unwrap();
    leads.iter().filter(|lead| lead["name"] == name).count()
}

#[tokio::test]
async fn keys_of_tenants_and_of_their_callers_do_not_meet() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let machine = acme.machine(&["leads:write"]).await;
    let create = |client: Client| async move {
        let body = Some(json!({ "name": "Ann" }));
        keyed(&client, Method::POST, "/api/v1/leads", "one", body).await
    };

    let answers = [
        create(acme.owner.clone()).await,
        create(machine).await,
        create(umbrella.owner.clone()).await,
    ];

    for answer in &answers {
        answer.expect(201);
        assert_eq!(answer.header("idempotency-replayed"), None);
    }
    assert_eq!(
        (
            leads_named(&acme, "Ann").await,
            leads_named(&umbrella, "Ann").await
        ),
        (2, 1)
    );
}

#[tokio::test]
async fn what_fails_is_not_kept_and_may_be_tried_again_under_its_key() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let body = || Some(json!({ "company": "Ferris Ltd" }));
    let stale = acme.owner.request(Method::PATCH, &lead);
    let stale = stale.header("idempotency-key", "one").header("if-match", "\"7\"");

    let failed = acme.owner.send(stale.json(&body().unwrap())).await;
    let done = keyed(&acme.owner, Method::PATCH, &lead, "one", body()).await;
    let again = keyed(&acme.owner, Method::PATCH, &lead, "one", body()).await;

    assert_eq!(failed.problem(), "stale-version");
    assert_eq!((again.status, &again.body), (done.status, &done.body));
    assert!(again.header("etag").unwrap().starts_with("\"2.@"), "{again:?}");
    assert_eq!(again.header("etag"), done.header("etag"));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(done.expect(200)["version"], 2);
}

#[tokio::test]
async fn a_secret_is_told_again_to_whoever_asked_for_it_and_stands_nowhere_in_the_open() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = || Some(json!({ "name": "Website", "scopes": ["leads:read"] }));
    let path = "/api/v1/tenant/api-keys";

    let first = keyed(&acme.owner, Method::POST, path, "one", body()).await;
    let again = keyed(&acme.owner, Method::POST, path, "one", body()).await;

    let key = first.expect(201)["key"].as_str().unwrap().to_owned();
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("cache-control"), Some("no-store"));
    let keys = acme.owner.get(path).await.expect(200);
    assert_eq!(keys["items"].as_array().map(Vec::len), Some(1));
    let mut system = app.database.connect(DatabaseRole::System).await;
    let kept: Vec<(Vec<u8>, bool)> = sqlx::query_as("SELECT body, is_sealed FROM idempotency_keys")
        .fetch_all(&mut system)
        .await
        .unwrap();
    let [(kept, true)] = kept.as_slice() else {
        panic!("{kept:?}")
    };
    assert!(!kept.windows(8).any(|part| key.as_bytes().starts_with(part)));
}

#[tokio::test]
async fn a_result_that_is_dropped_and_a_lead_that_is_subscribed_are_so_once() {
    let kit = support::kit::Kit::kit().await;
    let url = kit.url();
    let app = TestApp::start_with(move |config| {
        config.kit.url = url;
        config.kit.api_key = Some(fairlead::config::Secret::new(support::kit::KEY));
    })
    .await;
    let acme = app.tenant("acme").await;
    let ann = json!({ "name": "Ann", "email": "ann@example.com" });
    let ann = acme.owner.post("/api/v1/leads", ann).await.expect(201);
    let subscribe = format!("/api/v1/leads/{}/subscribe", ann["id"].as_str().unwrap());
    let begun = acme.owner.request(Method::POST, "/api/v1/leads/export");
    let begun = acme.owner.send(begun).await.expect(202);
    let operation = format!("/api/v1/operations/{}", begun["id"].as_str().unwrap());
    wait_until("the file is whole", async || {
        acme.owner.get(&operation).await.expect(200)["state"] == "completed"
    })
    .await;
    let result = format!("{operation}/result");

    for (method, path, body, status) in [
        (Method::POST, &subscribe, Some(json!({ "consent": true })), 202),
        (Method::DELETE, &result, None, 204),
    ] {
        let first = keyed(&acme.owner, method.clone(), path, path, body.clone()).await;
        let again = keyed(&acme.owner, method, path, path, body).await;
        assert_eq!(
            (first.status.as_u16(), &first.body),
            (status, &again.body),
            "{first:?}"
        );
        assert_eq!(again.status, first.status);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
}

#[tokio::test]
async fn fifty_at_once_with_one_key_have_one_effect() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let doomed = format!("/api/v1/leads/{}", acme.lead("Doomed").await);
    let webhook = json!({ "url": "https://receiver.invalid/", "enabled": false });
    let webhook = acme.owner.post("/api/v1/webhooks", webhook).await.expect(201);
    let ping = format!("/api/v1/webhooks/{}/ping", webhook["id"].as_str().unwrap());
    // The log shows an event when all that began before it has ended.
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let mut events = async |kind: &str| -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM events WHERE type = $1")
            .bind(kind)
            .fetch_one(&mut superuser)
            .await
            .unwrap()
    };
    let cases = [
        (
            Method::POST,
            "/api/v1/leads".to_owned(),
            Some(json!({ "name": "Bob" })),
            "lead_created",
        ),
        (
            Method::PATCH,
            lead.clone(),
            Some(json!({ "status": "CONTACTED" })),
            "lead_updated",
        ),
        (
            Method::POST,
            format!("{lead}/activities"),
            Some(json!({ "type": "NOTE", "subject": "x" })),
            "activity_created",
        ),
        (Method::DELETE, doomed, None, "lead_deleted"),
        (
            Method::POST,
            "/api/v1/tenant/api-keys".to_owned(),
            Some(json!({ "name": "k", "scopes": ["leads:read"] })),
            "api_key_created",
        ),
        (Method::POST, ping, None, "webhook_pinged"),
    ];

    for (method, path, body, event) in cases {
        let before = events(event).await;
        let key = format!("once {path}").replace(' ', "-");
        let repeats = (0..AT_ONCE).map(|_| keyed(&acme.owner, method.clone(), &path, &key, body.clone()));
        let answers = join_all(repeats).await;

        let told: HashSet<_> = answers
            .iter()
            .map(|answer| (answer.status, answer.body.clone()))
            .collect();
        let replayed = answers
            .iter()
            .filter(|answer| answer.header("idempotency-replayed").is_some());
        assert!(
            answers[0].status.is_success(),
            "{method} {path}: {:?}",
            answers[0]
        );
        assert_eq!(told.len(), 1, "{method} {path}");
        assert_eq!(replayed.count(), AT_ONCE - 1, "{method} {path}");
        assert_eq!(events(event).await - before, 1, "{method} {path}");
    }
}

#[tokio::test]
async fn those_who_wait_for_the_first_take_connections_from_nobody() {
    let app = TestApp::start_with(|config| {
        config.database.pool.max = 3;
        config.database.pool.acquire_timeout = Duration::from_secs(2);
    })
    .await;
    let acme = app.tenant("acme").await;
    let (lead, other) = (acme.lead("Ann").await, acme.lead("Bob").await);
    let path = format!("/api/v1/leads/{lead}");
    // The first of them will wait for this one, and all others for the first.
    let mut holder = app.database.connect(DatabaseRole::Superuser).await;
    let mut held = holder.begin().await.unwrap();
    sqlx::query("SELECT FROM leads WHERE id = $1::uuid FOR UPDATE")
        .bind(&lead)
        .execute(&mut *held)
        .await
        .unwrap();

    let body = json!({ "company": "Ferris Ltd" });
    let repeats = (0..AT_ONCE).map(|_| keyed(&acme.owner, Method::PATCH, &path, "one", Some(body.clone())));
    let meanwhile = async {
        let mut observer = app.database.connect(DatabaseRole::Superuser).await;
        wait_until("the first waits for the lead", async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&mut observer)
            .await
            .unwrap();
            waiting > 0
        })
        .await;
        let began = Instant::now();
        for _ in 0..10 {
            let change = json!({ "company": "Another Ltd" });
            acme.owner
                .patch(&format!("/api/v1/leads/{other}"), change)
                .await
                .expect(200);
        }
        let took = began.elapsed();
        held.rollback().await.unwrap();
        took
    };
    let (answers, took) = tokio::join!(join_all(repeats), meanwhile);

    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let changed = acme.owner.get(&path).await.expect(200);
    assert_eq!(changed["version"], 2);
    assert!(took < Duration::from_secs(2), "others waited {took:?}");
}

#[tokio::test]
async fn fifty_at_once_over_two_processes_have_one_effect() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let (one, other) = (program.serve().await.unwrap(), program.serve().await.unwrap());
    let acme = TestTenant::sign_up(one.anonymous(), "acme").await;
    let there = acme.at(&other.url);

    let repeats = (0..AT_ONCE).map(|number| {
        let client = if number % 2 == 0 {
            &acme.owner
        } else {
            &there.owner
        };
        keyed(
            client,
            Method::POST,
            "/api/v1/leads",
            "one",
            Some(json!({ "name": "Ann" })),
        )
    });
    let answers = join_all(repeats).await;

    let ids: HashSet<String> = answers
        .iter()
        .map(|answer| answer.expect(201)["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1);
    let replayed = answers
        .iter()
        .filter(|answer| answer.header("idempotency-replayed").is_some());
    assert_eq!(replayed.count(), AT_ONCE - 1);
    assert_eq!(leads_named(&acme, "Ann").await, 1);
}

#[tokio::test]
async fn a_request_whose_process_is_killed_is_done_once_when_it_is_repeated() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let mut serving = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let token = acme.log_in().await;
    let mut observer = database.connect(DatabaseRole::System).await;
    let mut replayed = 0;

    // Killed as soon as what was done can be seen, and a while after it was asked for.
    for round in 0..6_u64 {
        let name = format!("Ann {round}");
        let body = json!({ "name": name });
        let mut client = TcpStream::connect(serving.url.trim_start_matches("http://"))
            .await
            .unwrap();
        client
            .write_all(raw_create(&token, &name, &body).as_bytes())
            .await
            .unwrap();
        if round % 2 == 0 {
            wait_until("the lead is there", async || {
                let there: i64 = sqlx::query_scalar("SELECT count(*) FROM leads WHERE name = $1")
                    .bind(&name)
                    .fetch_one(&mut observer)
                    .await
                    .unwrap();
                there == 1
            })
            .await;
        } else {
            tokio::time::sleep(Duration::from_millis(round)).await;
        }
        serving.signal("KILL");
        drop(serving.ended().await);
        serving = program.serve().await.unwrap();

        let owner = token.at(&serving.url);
        let again = keyed(&owner, Method::POST, "/api/v1/leads", &key_of(&name), Some(body)).await;
        let id = again.expect(201)["id"].clone();
        let was_replayed = again.header("idempotency-replayed").is_some();
        assert!(was_replayed || round % 2 == 1, "round {round}: {again:?}");
        replayed += u64::from(was_replayed);
        let there: Vec<String> = sqlx::query_scalar("SELECT id::text FROM leads WHERE name = $1")
            .bind(&name)
            .fetch_all(&mut observer)
            .await
            .unwrap();
        assert_eq!(json!(there), json!([id]), "round {round}");
    }
    println!("of 6 requests whose process was killed {replayed} were done already; each was done once");
}

fn key_of(name: &str) -> String {
    name.replace(' ', "-")
}

/// What a client sends that will not read the answer.
fn raw_create(client: &Client, name: &str, body: &Value) -> String {
    let (body, key) = (body.to_string(), key_of(name));
    let request = client.request(Method::POST, "/api/v1/leads").build().unwrap();
    let authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
    format!(
        "POST /api/v1/leads HTTP/1.1\r\nhost: localhost\r\nauthorization: {authorization}\r\nidempotency-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
