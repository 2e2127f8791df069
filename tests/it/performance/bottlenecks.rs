//! What holds requests up, planted and found.

use fairlead_telemetry::spawn;
use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::{Program, Serving};
use support::{Client, TestDatabase, TestTenant, wait_until};

/// Whoever asks for carriers waits for 40 ms.
pub(super) const SLOW_CARRIERS: &str = "
    ALTER TABLE carriers RENAME TO real_carriers;
    CREATE VIEW carriers WITH (security_invoker = true) AS
        SELECT c.* FROM (SELECT pg_sleep(0.04) OFFSET 0) AS slow, real_carriers AS c;
    GRANT SELECT ON carriers TO fairlead_app";

/// A server on which something is planted.
pub(super) struct Planted {
    pub(super) database: TestDatabase,
    pub(super) serving: Serving,
    pub(super) operator: Client,
    pub(super) acme: TestTenant,
}

impl Planted {
    pub(super) async fn with(settings: &[(&str, &str)]) -> Self {
        Self::started(settings, |program| program).await
    }

    /// On a program that is started as `start` says.
    pub(super) async fn started(settings: &[(&str, &str)], start: impl FnOnce(Program) -> Program) -> Self {
        let database = TestDatabase::create().await;
        let mut program = start(Program::on(&database))
            .with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "2000")
            .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "false");
        for (name, value) in settings {
            program = program.with(name, value);
        }
        let serving = program.serve().await.unwrap();
        let operator = operator(&program, &serving).await;
        let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
        acme.owner
            .post("/api/v1/carriers", json!({ "name": "Acme Mutual" }))
            .await
            .expect(201);
        Self {
            database,
            serving,
            operator,
            acme,
        }
    }

    /// So many clients that ask ten times each, at once.
    pub(super) async fn ask(&self, clients: usize, path: &'static str) {
        let all: Vec<_> = (0..clients)
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

    pub(super) async fn slow_carriers(&self) {
        let mut superuser = self.database.connect(DatabaseRole::Superuser).await;
        superuser.execute(SLOW_CARRIERS).await.unwrap();
    }

    pub(super) async fn found(&self) -> Value {
        let path = "/api/v1/performance/capacity/bottlenecks";
        self.operator.get(path).await.expect(200)
    }
}

#[tokio::test]
async fn waits_for_connections_are_laid_to_the_statement_that_holds_them() {
    let planted = Planted::with(&[("DB_POOL_MIN", "0"), ("DB_POOL_MAX", "1")]).await;
    planted.slow_carriers().await;
    let mut told = Value::Null;
    wait_until("it is found", async || {
        planted.ask(6, "/api/v1/carriers").await;
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
