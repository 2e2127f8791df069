//! Causes for which requests or jobs wait, planted on running servers: the first thing that is found is each time what was
//! planted, with what says so, what it costs, and what to do about it. One more, a tenant that takes it all, is planted by
//! its neighbours' test.
//!
//! `cargo xtask test planted who_slows --no-capture` prints what they find.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use support::database::DatabaseRole;
use support::process::Program;
use support::provider::{KEY, MODEL, Mood, Provider};
use support::{PASSWORD, wait_until};

use super::bottlenecks::Planted;
use super::history::written;
use crate::cache::{RedisProxy, RedisServer};

impl Planted {
    /// Asks again and again until the first cause that is found is of this kind, and prints its row.
    async fn find(&self, planted: &str, kind: &str, load: impl AsyncFn()) -> Value {
        let mut told = Value::Null;
        wait_until(planted, async || {
            load().await;
            told = self.found().await;
            told["items"][0]["cause"]["kind"] == kind
        })
        .await;
        let worst = told["items"][0].clone();
        assert!(!worst["facts"].as_array().unwrap().is_empty(), "{told:#}");
        assert!(!worst["advice"]["text"].as_str().unwrap().is_empty(), "{told:#}");
        let impact = &worst["impact"];
        assert!(
            impact["count"].as_u64() > Some(0) && impact["msEach"].as_f64() > Some(0.0),
            "{told:#}"
        );
        row(
            planted,
            &format!("{kind} {}", worst["cause"]["name"].as_str().unwrap_or_default()),
            impact["msEach"].as_f64().unwrap(),
            impact["ratio"].as_f64().unwrap(),
            worst["advice"]["act"].as_str().unwrap(),
        );
        worst
    }
}

#[expect(
    clippy::print_stdout,
    reason = "a table, where the output of tests is asked for"
)]
pub(super) fn row(planted: &str, found: &str, ms_each: f64, ratio: f64, act: &str) {
    println!(
        "| {planted} | `{}` | {ms_each:.1} ms | {:.0} % | {act} |",
        found.trim(),
        ratio * 100.0
    );
}

fn fact(found: &Value, name: &str) -> f64 {
    let facts = found["facts"].as_array().unwrap().iter();
    let mut named = facts.filter(|fact| fact["name"] == name);
    let fact = named.next().unwrap_or_else(|| panic!("no {name} in {found:#}"));
    fact["value"].as_f64().unwrap()
}

#[tokio::test]
async fn planted_a_statement_that_takes_long() {
    let planted = Planted::with(&[]).await;
    planted.slow_carriers().await;

    let load = async || planted.ask(6, "/api/v1/carriers").await;
    let found = planted.find("a statement of 40 ms", "slow-query", load).await;

    let text = found["cause"]["text"].as_str().unwrap();
    assert!(text.contains("carriers"), "{found:#}");
    assert_eq!(
        found["chain"],
        json!([
            {"kind": "route", "name": "GET /api/v1/carriers"},
            {"kind": "query", "name": found["cause"]["name"]},
        ])
    );
    let (each, ratio) = (
        found["impact"]["msEach"].as_f64().unwrap(),
        found["impact"]["ratio"].as_f64().unwrap(),
    );
    assert!((40.0..200.0).contains(&each) && ratio > 0.5, "{found:#}");
    assert!(fact(&found, "meanTime") >= 40.0, "{found:#}");
}

#[tokio::test]
async fn planted_somebody_who_holds_a_lock() {
    let planted = Planted::with(&[("FAIRLEAD__DATABASE__POOL__MAX", "12")]).await;
    let load = async || {
        // A maintenance window of somebody else's, 700 ms at a time.
        let mut holder = planted.database.connect(DatabaseRole::Superuser).await;
        holder
            .execute("BEGIN; LOCK TABLE carriers IN ACCESS EXCLUSIVE MODE")
            .await
            .unwrap();
        let asking = planted.ask(6, "/api/v1/carriers");
        let holding = async {
            tokio::time::sleep(Duration::from_millis(700)).await;
            holder.close().await.unwrap();
        };
        tokio::join!(asking, holding);
    };

    let found = planted.find("a lock that is held for 700 ms", "lock", load).await;

    assert_eq!(found["cause"]["name"], "carriers", "{found:#}");
    assert!(fact(&found, "waited") > 500.0, "{found:#}");
    let chain: Vec<_> = found["chain"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| &link["kind"])
        .collect();
    assert_eq!(chain.last(), Some(&&json!("lock")), "{found:#}");
}

#[tokio::test]
async fn planted_too_few_connections() {
    let planted = Planted::with(&[
        ("DB_POOL_MIN", "0"),
        ("DB_POOL_MAX", "1"),
        // Else requests wait to be let in, before they can wait for a connection.
        ("FAIRLEAD__ADMISSION__ENABLED", "false"),
    ])
    .await;

    // What each takes is in order; thirty at once are not.
    let load = async || planted.ask(30, "/api/v1/carriers").await;
    let found = planted.find("one connection for thirty", "pool", load).await;

    assert_eq!(found["cause"]["name"], "app", "{found:#}");
    assert!(fact(&found, "connections") < 2.0, "{found:#}");
}

#[tokio::test]
async fn planted_a_redis_that_is_far_away() {
    let redis = RedisServer::start().await;
    let proxy = RedisProxy::start(redis.url()).await;
    let planted = Planted::with(&[
        ("FAIRLEAD__CACHE__RESPONSES__ENABLED", "true"),
        ("FAIRLEAD__CACHE__REDIS__URL", proxy.url()),
    ])
    .await;
    proxy.slow_by(Duration::from_millis(25));

    // Each page is another one, so no process has it in memory.
    let number = AtomicUsize::new(0);
    let load = async || {
        let ask = async || {
            for _ in 0..15 {
                let number = number.fetch_add(1, Ordering::Relaxed);
                let path = format!("/api/v1/leads?q=page{number}&limit=5");
                planted.acme.owner.get(&path).await.expect(200);
            }
        };
        tokio::join!(ask(), ask(), ask());
    };
    let found = planted.find("25 ms to Redis", "shared-cache", load).await;

    // Of all requests, of which the breaker spares some the way.
    assert!(fact(&found, "meanTime") >= 3.0, "{found:#}");
}

#[tokio::test]
async fn planted_a_service_that_takes_its_time() {
    let provider = Provider::start().await;
    provider.say("{}");
    provider.be(Mood::Takes(Duration::from_millis(200)));
    let url = provider.openai();
    let planted = Planted::with(&[
        ("FAIRLEAD__AI__PROVIDER", "openai"),
        ("FAIRLEAD__AI__URL", &url),
        ("FAIRLEAD__AI__MODEL", MODEL),
        ("FAIRLEAD__AI__API_KEY", KEY),
        ("FAIRLEAD__RATE_LIMITS__ENABLED", "false"),
    ])
    .await;
    let ann = planted.acme.lead("Ann").await;
    let note = json!({ "type": "NOTE", "subject": "called twice" });
    let activities = format!("/api/v1/leads/{ann}/activities");
    planted.acme.owner.post(&activities, note).await.expect(201);
    let path = format!("{activities}/summary");

    let load = async || {
        let ask = async || {
            for _ in 0..8 {
                planted.acme.owner.post(&path, json!({})).await.expect(200);
            }
        };
        tokio::join!(ask(), ask(), ask(), ask(), ask(), ask());
    };
    let found = planted.find("a model that takes 200 ms", "upstream", load).await;

    assert_eq!(found["cause"]["name"], "ai", "{found:#}");
    assert!((190.0..2_000.0).contains(&fact(&found, "meanTime")), "{found:#}");
}

#[tokio::test]
async fn planted_more_to_compute_than_a_core_can() {
    let planted = Planted::started(&[], Program::on_one_core).await;
    let login =
        json!({ "email": planted.acme.owner_email, "password": PASSWORD, "tenant": planted.acme.slug });

    // To hash a password is the most that is computed for a request. More at once would count as guessing.
    let load = async || {
        let ask = async || {
            for _ in 0..10 {
                let anonymous = planted.serving.anonymous();
                anonymous
                    .post("/api/v1/auth/login", login.clone())
                    .await
                    .expect(200);
            }
        };
        tokio::join!(ask(), ask(), ask(), ask());
    };
    let found = planted
        .find("logins by four at once, and one core", "cpu", load)
        .await;

    assert!(fact(&found, "coresBusy") >= 0.85, "{found:#}");
    assert_eq!(fact(&found, "cores").to_bits(), 1_f64.to_bits(), "{found:#}");
}

#[tokio::test]
async fn planted_nothing_and_nothing_is_found() {
    let planted = Planted::with(&[]).await;
    planted.ask(2, "/api/v1/carriers").await;
    let now = written(&planted.operator, "").await;
    planted.ask(2, "/api/v1/carriers").await;
    written(&planted.operator, &now).await;

    let told = planted.found().await;

    assert_eq!(told["items"], json!([]), "{told:#}");
    assert!(told["seconds"].as_f64().unwrap() >= 1.9, "{told:#}");
}

#[tokio::test]
async fn planted_jobs_that_nobody_does() {
    let planted = Planted::with(&[("FAIRLEAD__ROLES", "api")]).await;
    let waiting = format!(
        "INSERT INTO jobs (tenant_id, id, queue, kind, payload, priority, state, run_at)
         SELECT '{}', gen_random_uuid(), 'lead-processing', 'score-lead', '{{}}', 1, 'waiting', now() - interval '2 minutes'
         FROM generate_series(1, 200)",
        planted.acme.id
    );
    let mut superuser = planted.database.connect(DatabaseRole::Superuser).await;
    superuser.execute(AssertSqlSafe(waiting)).await.unwrap();

    let load = async || planted.ask(1, "/api/v1/carriers").await;
    let found = planted.find("200 jobs and no worker", "queue", load).await;

    assert_eq!(found["cause"]["name"], "lead-processing", "{found:#}");
    assert_eq!(found["impact"]["affected"], "jobs");
    assert!(
        fact(&found, "waiting") >= 200.0 && fact(&found, "oldestWait") >= 100_000.0,
        "{found:#}"
    );
}
