//! How tables are doing, held against what was done to them.

use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{Client, TestDatabase, TestTenant, wait_until};

const STATS: &str = "/api/v1/performance/database/table-stats";

async fn stats(operator: &Client, table: &str) -> Value {
    operator.get(&format!("{STATS}/{table}")).await.expect(200)
}

#[tokio::test]
async fn a_table_is_told_with_its_rows_bloat_scans_and_growth() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let before = stats(&operator, "leads").await;
    assert_eq!(
        (&before["rows"]["estimated"], &before["bloat"], &before["growth"]),
        (&Value::Null, &Value::Null, &Value::Null),
        "{before:#}"
    );

    // Every second one of 20,000 goes, and autovacuum is not to be quicker than the test.
    let make = format!(
        "ALTER TABLE leads SET (autovacuum_enabled = false);
         INSERT INTO leads (tenant_id, id, name, status, created_at, updated_at)
         SELECT '{}', gen_random_uuid(), 'Lead ' || n, 'NEW', now(), now() FROM generate_series(1, 20000) AS n;
         ANALYZE leads;
         DELETE FROM leads WHERE name ~ '[02468]$';
         INSERT INTO perf.samples (grain, at, process, kind, name, class, looks, sum, highest)
         VALUES (1, now() - interval '5 days', '', 'gauge', 'table.bytes.leads', 0, 1, 1000000, 1000000);
         SELECT pg_stat_force_next_flush()",
        acme.id
    );
    superuser.execute(sqlx::AssertSqlSafe(make)).await.unwrap();
    wait_until("the statistics have it", async || {
        stats(&operator, "leads").await["rows"]["dead"] == 10_000
    })
    .await;
    let full = stats(&operator, "leads").await;
    superuser.execute("VACUUM ANALYZE leads").await.unwrap();
    wait_until("the statistics have it", async || {
        stats(&operator, "leads").await["upkeep"]["vacuums"] == 1
    })
    .await;
    let half = stats(&operator, "leads").await;

    assert_eq!(full["rows"]["live"], 10_000, "{full:#}");
    assert_eq!(full["rows"]["deadRatio"], 0.5);
    assert_eq!(full["rows"]["estimated"], 20_000);
    assert_eq!(full["upkeep"]["due"], json!(["vacuum", "analyze"]));
    assert_eq!(full["changes"]["deleted"], 10_000);
    assert!(full["bloat"]["ratio"].as_f64().unwrap() < 0.1, "{full:#}");
    let size = &full["size"];
    let [table, index, total] =
        ["tableBytes", "indexBytes", "totalBytes"].map(|name| size[name].as_i64().unwrap());
    let measured: (i64, i64) = sqlx::query_as("SELECT pg_table_size('leads'), pg_indexes_size('leads')")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert!((table - measured.0).abs() < measured.0 / 10 && (index - measured.1).abs() < measured.1 / 10);
    assert_eq!(table + index, total);
    let growth = &full["growth"];
    let (grown, per_day) = (
        growth["bytes"].as_f64().unwrap(),
        growth["perDayBytes"].as_f64().unwrap(),
    );
    let bytes = size["totalBytes"].as_f64().unwrap();
    assert!((grown - (bytes - 1_000_000.0)).abs() < 1.0, "{growth:#}");
    // To the hour in which it was measured.
    assert!((grown / per_day - 5.0).abs() < 0.05, "{growth:#}");

    let bloat = half["bloat"]["ratio"].as_f64().unwrap();
    assert!((0.45..0.6).contains(&bloat), "{half:#}");
    assert_eq!(
        (
            &half["rows"]["dead"],
            &half["rows"]["estimated"],
            &half["upkeep"]["due"]
        ),
        (&json!(0), &json!(10_000), &json!([]))
    );
    assert!(half["upkeep"]["lastVacuumAt"].is_string() && half["upkeep"]["lastAutovacuumAt"].is_null());
    let indexes = half["indexes"].as_array().unwrap();
    let key = indexes
        .iter()
        .find(|index| index["name"] == "leads_pkey")
        .unwrap();
    assert_eq!(
        (&key["isUnique"], &key["isConstraint"], &key["isValid"]),
        (&json!(true), &json!(true), &json!(true))
    );
    let bytes: i64 = indexes.iter().map(|index| index["bytes"].as_i64().unwrap()).sum();
    assert_eq!(bytes, half["size"]["indexBytes"].as_i64().unwrap());
}

#[tokio::test]
async fn tables_of_the_product_are_told_and_no_others() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;

    let events = stats(&operator, "events").await;
    assert!(events["partitions"].as_u64().unwrap() > 1, "{events:#}");
    let indexes = events["indexes"].as_array().unwrap();
    assert!(
        indexes.iter().all(|index| index["bytes"].as_u64().unwrap() > 0),
        "{events:#}"
    );
    assert_eq!(stats(&operator, "samples").await["partitions"], Value::Null);
    // What has secrets is told of like all others, its size and scans included.
    assert!(
        stats(&operator, "credentials").await["size"]["totalBytes"]
            .as_u64()
            .unwrap()
            > 0
    );

    for name in [
        "pg_class",
        "events_default",
        "leads_pkey",
        "nothing",
        "leads;--",
        "le%20ads",
        "%00",
        "LEADS",
        "public.leads",
    ] {
        let told = operator.get(&format!("{STATS}/{name}")).await;
        assert_eq!(told.status, 404, "{name}");
    }
}

#[tokio::test]
async fn a_table_that_is_locked_is_measured_the_next_time_and_holds_up_no_connection() {
    let database = TestDatabase::create().await;
    let mut blocker = database.connect(DatabaseRole::Superuser).await;
    let lock = "BEGIN; LOCK TABLE login_failures IN ACCESS EXCLUSIVE MODE";
    blocker.execute(lock).await.unwrap();
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let mut are = async |what: &'static str| -> i64 {
        sqlx::query_scalar(what).fetch_one(&mut superuser).await.unwrap()
    };
    let done = "SELECT count(*) FROM jobs WHERE kind = 'thin-samples' AND state = 'completed'";
    let measured = "SELECT count(*) FROM perf.samples WHERE name = 'table.bytes.login_failures'";

    let serving = Program::on(&database).serve().await.unwrap();
    wait_until("it is done without", async || are(done).await == 1).await;
    let before = are(measured).await;
    blocker
        .execute("ROLLBACK; UPDATE job_schedules SET next_at = now() WHERE name = 'thin-samples'")
        .await
        .unwrap();

    wait_until("it is measured", async || are(measured).await == 1).await;
    assert_eq!(before, 0);
    let told = serving.log();
    assert!(
        told.iter().any(|line| line.contains("a table is locked")),
        "{told:?}"
    );
}
