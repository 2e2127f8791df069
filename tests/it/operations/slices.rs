//! A long import is done slice by slice, so that nobody waits for all of it.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::{TestApp, TestTenant};

use super::{bad_file, import, location, log, meddle, wait_for, wait_for_end};

/// Takes so long for a part that an import of many does not end while a test looks.
const SLOWLY: &str = "PERFORM pg_sleep(0.05)";

async fn job(database: &mut PgConnection, tenant: &TestTenant) -> Vec<(String, i32)> {
    let of = "SELECT state, attempts FROM jobs WHERE queue = 'imports' AND tenant_id = $1::text::uuid
              AND state <> 'completed'";
    sqlx::query_as(of)
        .bind(&tenant.id)
        .fetch_all(database)
        .await
        .unwrap()
}

#[tokio::test]
async fn long_imports_of_two_tenants_do_not_keep_a_third_one_waiting() {
    // Two places, of which one tenant holds one.
    let app = TestApp::start_with(|config| config.jobs.imports.concurrency = 2).await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    meddle(&mut database, SLOWLY).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let globex = app.tenant("globex").await;
    let (long, other) = tokio::join!(
        import(&acme.owner, "", bad_file(200_000)),
        import(&umbrella.owner, "", bad_file(200_000))
    );
    let (long, other) = (location(&long), location(&other));
    for (tenant, operation) in [(&acme, &long), (&umbrella, &other)] {
        wait_for(&tenant.owner, operation, |operation| {
            operation["state"] == "running"
        })
        .await;
    }

    let short = location(&import(&globex.owner, "", "name\nAnn\n").await);
    wait_for_end(&globex.owner, &short).await;

    for (tenant, operation) in [(&acme, &long), (&umbrella, &other)] {
        let seen = tenant.owner.get(operation).await.expect(200);
        assert_eq!(seen["state"], "running", "{seen}");
        // One job after the other, and one at a time.
        assert_eq!(job(&mut database, tenant).await.len(), 1);
        tenant.owner.delete(operation).await.expect(202);
    }
}

#[tokio::test]
async fn an_import_gets_over_more_failures_than_it_has_attempts_where_it_comes_on_between_them() {
    let app = TestApp::start_with(|config| {
        config.jobs.imports.attempts = 2;
        config.jobs.imports.backoff = Duration::from_millis(20);
    })
    .await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    meddle(
        &mut database,
        "IF nextval('parts') % 3 = 0 THEN RAISE 'a fault of ours'; END IF",
    )
    .await;

    let operation = location(&import(&acme.owner, "", bad_file(12_000)).await);
    let end = wait_for_end(&acme.owner, &operation).await;

    assert_eq!(
        (&end["state"], &end["result"]["failed"]),
        (&json!("completed"), &json!(12_000)),
        "{end}"
    );
    assert_eq!(
        (end["errors"].as_array().unwrap().len(), &end["errorsTruncated"]),
        (1_000, &json!(true))
    );
    assert_eq!(end["errors"][999]["line"], 1_001);
    // Each of its jobs is of the request that began it.
    let traces: Vec<bool> =
        sqlx::query_scalar("SELECT DISTINCT trace_context IS NOT NULL FROM jobs WHERE queue = 'imports'")
            .fetch_all(&mut database)
            .await
            .unwrap();
    assert_eq!(traces, [true]);
    let failures: i64 = sqlx::query_scalar("SELECT last_value FROM parts")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(failures, 17, "12 parts and 5 failures");
}

#[tokio::test]
async fn a_process_that_stops_ends_with_the_part_under_way() {
    let mut app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    meddle(&mut database, "PERFORM pg_sleep(0.3)").await;
    let operation = location(&import(&acme.owner, "", bad_file(45_000)).await);
    let before = wait_for(&acme.owner, &operation, |operation| {
        operation["progress"]["done"].as_u64() >= Some(1_000)
    })
    .await;

    app.restart_with(|config| config.jobs.imports.concurrency = 0)
        .await;
    let after = acme.owner.get(&operation).await.expect(200);

    // Not those of its whole slice.
    let done = |operation: &Value| operation["progress"]["done"].as_u64().unwrap();
    assert!(done(&after) <= done(&before) + 3_000, "{after}");
    assert_eq!(after["state"], "running");
    // With all its attempts, for whoever comes.
    assert_eq!(job(&mut database, &acme).await, [("waiting".to_owned(), 0)]);
    database
        .execute("DROP TRIGGER meddle ON operations")
        .await
        .unwrap();
    app.restart_with(|config| config.jobs.imports.concurrency = 1)
        .await;
    let end = wait_for_end(&acme.owner, &operation).await;
    assert_eq!(end["result"]["failed"], 45_000);
    assert_eq!(log(&end), ["begun", "completed"]);
}
