//! What signs is told once, and stands nowhere.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fairlead::config::Secret;
use serde_json::{Value, json};
use sqlx::{Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::process::Program;
use support::{Receiver, TestDatabase, TestTenant, wait_until};

use super::bench::{deliveries, is_signed, make, post, signatures, start, until_newest, until_received};

#[tokio::test]
async fn while_a_secret_is_rotated_both_sign() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(
        &acme.owner,
        &receiver.url("/"),
        json!({"events": ["lead_created"]}),
    )
    .await;
    let rotate = format!("{}/rotate-secret", webhook.path);

    let answer = acme.owner.post(&rotate, json!({})).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let tag = answer.header("etag").unwrap();
    assert!(tag.starts_with("\"2.@"), "{tag}");
    let rotated = answer.expect(200);
    let second = rotated["secret"].as_str().unwrap();
    assert_ne!(second, webhook.secret);
    acme.lead("Ann").await;
    let both = until_received(&receiver, 1).await.remove(0);
    assert!(is_signed(&both, &webhook.secret) && is_signed(&both, second));
    assert_eq!(signatures(&both), 2);

    // The old one counts for a day.
    app.clock.advance(time::Duration::hours(23));
    let owner = acme.log_in().await;
    owner
        .post("/api/v1/leads", json!({"name": "Bob"}))
        .await
        .expect(201);
    assert!(is_signed(&until_received(&receiver, 2).await[1], &webhook.secret));
    app.clock.advance(time::Duration::hours(2));
    let owner = acme.log_in().await;
    owner
        .post("/api/v1/leads", json!({"name": "Cid"}))
        .await
        .expect(201);
    let one = until_received(&receiver, 3).await.remove(2);
    assert!(is_signed(&one, second) && !is_signed(&one, &webhook.secret));
    assert_eq!(signatures(&one), 1);

    // It counts no longer at all.
    let rotated = owner
        .post(&rotate, json!({"oldSecretSeconds": 0}))
        .await
        .expect(200);
    let third = rotated["secret"].as_str().unwrap();
    owner
        .post("/api/v1/leads", json!({"name": "Dee"}))
        .await
        .expect(201);
    let last = until_received(&receiver, 4).await.remove(3);
    assert!(is_signed(&last, third) && !is_signed(&last, second));
    for refused in [-1, 604_801] {
        let refused = owner.post(&rotate, json!({"oldSecretSeconds": refused})).await;
        assert_eq!(refused.problem(), "invalid-input");
    }
}

#[tokio::test]
async fn an_installation_with_another_key_cannot_sign_until_the_secret_is_rotated() {
    let mut app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(&acme.owner, &receiver.url("/"), json!({})).await;

    app.restart_with(|config| {
        config.security.secret = Some(Secret::new("another secret of more than thirty-two bytes"));
    })
    .await;
    let owner = acme.log_in().await;
    post(&owner, &format!("{}/ping", webhook.path)).await.expect(202);
    let failed = until_newest(&owner, &webhook, "FAILED").await;
    let rotated = owner
        .post(&format!("{}/rotate-secret", webhook.path), json!({}))
        .await
        .expect(200);
    post(&owner, &format!("{}/ping", webhook.path)).await.expect(202);
    until_newest(&owner, &webhook, "SUCCEEDED").await;

    let fault = "the secret cannot be read since the installation has another key: rotate it";
    assert_eq!(failed["fault"], fault);
    let came = receiver.received();
    assert!(
        came.iter()
            .any(|one| is_signed(one, rotated["secret"].as_str().unwrap()))
    );
}

#[tokio::test]
async fn a_dead_delivery_that_an_operator_has_tried_again_is_made_once() {
    const JOBS: &str = "/api/v1/performance/jobs/webhooks";
    const TRIED_FOR_DAYS: &str = "
        UPDATE jobs SET attempts = 99, run_at = now()
        WHERE kind = 'deliver-webhook' AND state IN ('waiting', 'delayed')";
    let mut app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let fields = json!({"events": ["lead_created"]});
    let webhook = make(&acme.owner, &receiver.url("/"), fields).await;
    let another = Some(Secret::new("another secret of more than thirty-two bytes"));
    let mut secret = None;
    app.restart_with(|config| secret = std::mem::replace(&mut config.security.secret, another))
        .await;
    let owner = acme.log_in().await;
    owner
        .post("/api/v1/leads", json!({"name": "Ann"}))
        .await
        .expect(201);
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    wait_until("its job was given up", async || {
        superuser.execute(TRIED_FOR_DAYS).await.unwrap();
        let newest = deliveries(&owner, &webhook).await;
        newest.first().is_some_and(|newest| newest["state"] == "FAILED")
    })
    .await;
    assert!(receiver.received().is_empty());

    app.restart_with(|config| config.security.secret = secret).await;
    let operator = app.operator("olga").await;
    let retried = operator
        .post(&format!("{JOBS}/retry-failed?kind=deliver-webhook"), json!({}))
        .await
        .expect(200);
    let owner = acme.log_in().await;
    let delivery = until_newest(&owner, &webhook, "SUCCEEDED").await;

    assert_eq!(retried["retried"], 1);
    assert_eq!(receiver.received().len(), 1);
    assert!(is_signed(&receiver.received()[0], &webhook.secret));
    assert_eq!(delivery["fault"], Value::Null);
    let dead = operator.get(&format!("{JOBS}/dead-letter")).await.expect(200);
    assert_eq!(dead["items"], json!([]), "{dead}");
}

/// All rows of all tables, as text.
async fn dump(database: &mut PgConnection) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&mut *database)
    .await
    .unwrap();
    let mut dump = String::new();
    for table in tables {
        let rows = format!("SELECT row_to_json(t)::text FROM {table} AS t");
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(rows))
            .fetch_all(&mut *database)
            .await
            .unwrap();
        for row in rows {
            writeln!(dump, "{table} {row}").unwrap();
        }
    }
    dump
}

#[tokio::test]
async fn a_secret_stands_in_no_row_no_log_and_no_metric() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__WEBHOOKS__ALLOW_HTTP", "true")
        .with("FAIRLEAD__WEBHOOKS__ALLOWED_NETWORKS", "127.0.0.1/32")
        .with("FAIRLEAD__JOBS__WEBHOOKS__BACKOFF_MS", "50")
        .with("FAIRLEAD__JOBS__SWEEP_MS", "20")
        .with("FAIRLEAD__LOG__FILTER", "trace");
    let serving = program.serve().await.unwrap_or_else(|ended| panic!("{ended:?}"));
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let receiver = Receiver::start().await;
    receiver.reply_next([support::Reply::Status(500)]);
    let webhook = make(&acme.owner, &receiver.url("/"), json!({})).await;
    let create = acme.owner.request(reqwest::Method::POST, "/api/v1/webhooks");
    let create = create
        .header("idempotency-key", "once")
        .json(&json!({"url": "https://example.com/"}));
    let with_key = acme.owner.send(create).await.expect(201);
    let rotate = format!("{}/rotate-secret", webhook.path);
    let rotated = acme.owner.post(&rotate, json!({})).await.expect(200);
    acme.lead("Ann").await;
    until_received(&receiver, 4).await;

    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let rows = dump(&mut superuser).await;
    let metrics = reqwest::get(serving.metrics_url())
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let log = serving.log().join("\n");
    assert!(
        rows.contains("webhook_secret_rotated") && log.contains("webhook") && metrics.contains("webhook")
    );
    let secrets = [
        webhook.secret.as_str(),
        rotated["secret"].as_str().unwrap(),
        with_key["secret"].as_str().unwrap(),
    ];
    for secret in secrets {
        let body = secret.strip_prefix("whsec_").unwrap();
        let bytes = STANDARD.decode(body).unwrap();
        let mut hex = String::new();
        for byte in bytes {
            write!(hex, "{byte:02x}").unwrap();
        }
        for (place, text) in [
            ("the database", &rows),
            ("the log", &log),
            ("the metrics", &metrics),
        ] {
            for form in [body, hex.as_str()] {
                assert!(!text.contains(form), "a secret stands in {place}");
            }
        }
    }
    println!(
        "{} bytes of rows and {} of log looked through",
        rows.len(),
        log.len()
    );
}
