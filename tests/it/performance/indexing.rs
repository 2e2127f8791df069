//! Which indexes pay and which would, held against some that were planted and one that was taken away.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{Client, TestDatabase, TestTenant};

const STRATEGY: &str = "/api/v1/performance/database/indexing-strategy";

/// Leads of which few have a source that is asked for.
pub(super) fn many_leads(tenant: &str) -> String {
    format!(
        "INSERT INTO leads (tenant_id, id, name, status, source, created_at, updated_at)
         SELECT '{tenant}', gen_random_uuid(), 'Lead ' || n, 'NEW', 'source ' || n % 2000,
                now() - n * interval '1 minute', now()
         FROM generate_series(1, 60000) AS n;
         ANALYZE leads"
    )
}

/// Has leads asked for by their sources.
pub(super) async fn ask_for_sources(client: &Client, times: usize) {
    for number in 0..times {
        let path = format!("/api/v1/leads?source=source%20{number}&limit=20");
        client.get(&path).await.expect(200);
    }
}

fn verdict<'a>(strategy: &'a Value, name: &str) -> &'a Value {
    let all = strategy["indexes"].as_array().unwrap();
    let found = all.iter().find(|index| index["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {strategy:#}"))
}

#[tokio::test]
async fn indexes_are_judged_and_one_that_is_missing_is_found_again() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database).with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "false");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser
        .execute(AssertSqlSafe(many_leads(&acme.id)))
        .await
        .unwrap();
    superuser
        .execute(
            "DROP INDEX idx_leads_source_status;
             CREATE INDEX planted_duplicate ON leads (tenant_id, updated_at DESC, id DESC);
             CREATE INDEX planted_redundant ON leads (tenant_id, quality_score DESC);
             CREATE INDEX planted_broken ON carriers (tenant_id, name, id);
             CREATE INDEX planted_hash ON carriers USING hash (name);
             UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'planted_broken'::regclass;
             UPDATE seaql_migrations SET applied_at = applied_at - 40 * 86400",
        )
        .await
        .unwrap();
    ask_for_sources(&acme.owner, 600).await;

    let told = operator.get(STRATEGY).await.expect(200);

    assert!(told["days"].as_u64().unwrap() >= 40, "{}", told["days"]);
    for (name, expected, beside) in [
        ("planted_duplicate", "duplicate", json!("idx_leads_updated")),
        ("planted_redundant", "redundant", json!("idx_leads_score")),
        ("planted_broken", "invalid", Value::Null),
        ("idx_leads_insurance_score", "unused", Value::Null),
        ("users_email", "needed", Value::Null),
    ] {
        let index = verdict(&told, name);
        assert_eq!(
            (&index["verdict"], &index["beside"]),
            (&json!(expected), &beside),
            "{index:#}"
        );
    }
    // Of one by a method that the advisor does not know nothing but its use is told.
    assert_eq!(verdict(&told, "planted_hash")["verdict"], "idle");
    let total: u64 = told["indexes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|index| index["bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(told["totals"]["bytes"], total);
    assert!(told["totals"]["wastedBytes"].as_u64().unwrap() > 0);

    let missing = told["missing"].as_array().unwrap();
    let [advice] = &missing[..] else {
        panic!("{:#}", told["missing"])
    };
    let statement = advice["statement"].as_str().unwrap();
    assert!(
        statement.starts_with("CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_leads_")
            && statement.contains(" ON leads (tenant_id, source"),
        "{statement}"
    );
    let served = &advice["serves"][0];
    assert!(
        served["text"].as_str().unwrap().contains("\"source\" = $")
            && served["ratio"].as_f64().unwrap() > 0.5,
        "{advice:#}"
    );
    assert!(advice["gainMs"].as_f64().unwrap() > 1_000.0, "{advice:#}");
    // Two of ours are written in a way that is not read.
    assert!(
        told["unread"].as_array().unwrap().len() <= 3,
        "{}",
        told["unread"]
    );

    // What is advised is what was missing.
    superuser
        .execute(AssertSqlSafe(statement.replace("CONCURRENTLY ", "")))
        .await
        .unwrap();
    ask_for_sources(&acme.owner, 10).await;
    let after = operator.get(STRATEGY).await.expect(200);
    assert_eq!(after["missing"], json!([]), "{:#}", after["missing"]);
}
