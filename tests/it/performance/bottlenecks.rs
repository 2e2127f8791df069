//! What holds requests up, planted and found.

use fairlead_telemetry::spawn;
use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::{Program, Serving};
use support::{Client, TestDatabase, TestTenant, wait_until};

use super::history::written;

/// Whoever asks for carriers waits for 40 ms.
pub(super) const SLOW_CARRIERS: &str = "
    ALTER TABLE carriers RENAME TO real_carriers;
    CREATE VIEW carriers WITH (security_invoker = true) AS
        SELECT c.* FROM (SELECT pg_sleep(0.04) OFFSET 0) AS slow, real_carriers AS c;
    GRANT SELECT ON carriers TO fairlead_app";

struct Planted {
    database: TestDatabase,
    serving: Serving,
    operator: Client,
    acme: TestTenant,
}

impl Planted {
    async fn with(settings: &[(&str, &str)]) -> Self {
        let database = TestDatabase::create().await;
        let mut program = Program::on(&database)
            .with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "2000")
            .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "false");
        for (name, value) in settings {
            program = program.with(name, value);
        }
        let serving = program.serve().await.unwrap();
        let operator = operator(&program, &serving).await;
        let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
        let carrier = json!({ "name": "Acme Mutual" });
        acme.owner.post("/api/v1/carriers", carrier).await.expect(201);
        Self {
            database,
            serving,
            operator,
            acme,
        }
    }

    async fn slow_carriers(&self) {
        let mut superuser = self.database.connect(DatabaseRole::Superuser).await;
        superuser.execute(SLOW_CARRIERS).await.unwrap();
    }

    /// Sixty requests, six at once.
    async fn ask(&self, path: &'static str) {
        let all: Vec<_> = (0..6)
            .map(|_| {
                let owner = self.acme.owner.clone();
                spawn(async move {
                    for _ in 0..10 {
                        owner.get(path).await.expect(200);
                    }
                })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
    }

    async fn found(&self) -> Value {
        let path = "/api/v1/performance/capacity/bottlenecks";
        self.operator.get(path).await.expect(200)
    }
}

#[tokio::test]
async fn a_statement_that_takes_long_is_found_with_what_it_costs() {
    let planted = Planted::with(&[]).await;
    planted.slow_carriers().await;
    let mut told = Value::Null;
    wait_until("it is found", async || {
        planted.ask("/api/v1/carriers").await;
        told = planted.found().await;
        told["items"][0]["cause"]["kind"] == "slow-query"
    })
    .await;

    let worst = &told["items"][0];
    let text = worst["cause"]["text"].as_str().unwrap();
    assert!(text.contains("carriers"), "{worst:#}");
    assert_eq!(
        worst["chain"],
        json!([
            {"kind": "route", "name": "GET /api/v1/carriers"},
            {"kind": "query", "name": worst["cause"]["name"]},
        ])
    );
    let (each, ratio) = (
        worst["impact"]["msEach"].as_f64().unwrap(),
        worst["impact"]["ratio"].as_f64().unwrap(),
    );
    assert!((40.0..200.0).contains(&each) && ratio > 0.5, "{worst:#}");
    let mean = worst["facts"].as_array().unwrap().iter();
    let mean = mean.clone().find(|fact| fact["name"] == "meanTime").unwrap();
    assert!(mean["value"].as_f64().unwrap() >= 40.0, "{worst:#}");
    assert!(!worst["advice"]["text"].as_str().unwrap().is_empty());
    drop(planted.serving);
}

#[tokio::test]
async fn waits_for_connections_are_laid_to_the_statement_that_holds_them() {
    let planted = Planted::with(&[("DB_POOL_MIN", "0"), ("DB_POOL_MAX", "1")]).await;
    planted.slow_carriers().await;
    let mut told = Value::Null;
    wait_until("it is found", async || {
        planted.ask("/api/v1/carriers").await;
        told = planted.found().await;
        let chain = told["items"][0]["chain"].as_array();
        chain.is_some_and(|chain| chain.iter().any(|link| link["kind"] == "pool"))
    })
    .await;

    let worst = &told["items"][0];
    assert_eq!(worst["cause"]["kind"], "slow-query", "{told:#}");
    assert_eq!(
        worst["chain"][1],
        json!({"kind": "pool", "name": "app"}),
        "{told:#}"
    );
    // Five of six wait while one works.
    assert!(worst["impact"]["msEach"].as_f64().unwrap() > 120.0, "{told:#}");
}

#[tokio::test]
async fn where_all_is_well_nothing_is_found() {
    let planted = Planted::with(&[]).await;
    planted.ask("/api/v1/carriers").await;
    let now = written(&planted.operator, "").await;
    written(&planted.operator, &now).await;

    let told = planted.found().await;

    assert_eq!(told["items"], json!([]), "{told:#}");
    assert!(told["seconds"].as_f64().unwrap() >= 1.9, "{told:#}");
}
