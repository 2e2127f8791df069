//! Workers that come late: others have brought the export to its end meanwhile.

use std::time::Duration;

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::{TestApp, TestTenant};

use super::exports::{HeldUp, export, file_of, fill, open};
use super::{id, location, wait_for_end, wait_until_held_up};

/// One worker, which does not notice by itself that its claim is another's.
async fn one_worker() -> (TestApp, TestTenant) {
    let app = TestApp::start_with(|config| {
        config.jobs.imports.concurrency = 1;
        config.jobs.lease = Duration::from_mins(10);
    })
    .await;
    let acme = app.tenant("acme").await;
    (app, acme)
}

/// As if the claim had lapsed, and another worker had come to the end of the job.
async fn take_the_job_away(database: &mut PgConnection, state: &str) {
    let taken = format!(
        "UPDATE jobs SET state = '{state}', fence = fence + 1, lease_until = NULL, finished_at = now()
         WHERE queue = 'imports' AND state = 'active'"
    );
    let taken = database.execute(AssertSqlSafe(taken)).await.unwrap();
    assert_eq!(taken.rows_affected(), 1);
}

/// Does something else with the one worker: behind it, the job before is over.
async fn wait_until_the_worker_is_free(acme: &TestTenant) {
    let next = location(&export(&acme.owner, "").await);
    let end = wait_for_end(&acme.owner, &next).await;
    assert_eq!(end["state"], "completed", "{end}");
}

#[tokio::test]
async fn one_who_comes_late_leaves_the_file_of_a_finished_export_alone() {
    let (app, acme) = one_worker().await;
    let HeldUp {
        operation,
        gate: mut database,
        ..
    } = HeldUp::of(&app.database, &acme, 2_500).await;

    let rest = format!(
        "INSERT INTO operation_outputs (tenant_id, id, operation_id, number, size_bytes, content)
         VALUES ('{}', gen_random_uuid(), '{}', 1, 8, 'the rest')",
        acme.id,
        id(&operation)
    );
    database.execute(AssertSqlSafe(rest)).await.unwrap();
    take_the_job_away(&mut database, "completed").await;
    database
        .execute("UPDATE operations SET state = 'completed', done = 2500, finished_at = now()")
        .await
        .unwrap();
    open(&mut database).await;
    wait_until_the_worker_is_free(&acme).await;

    let file = file_of(&acme.owner, &operation).await;
    assert_eq!(
        file.lines().count(),
        1_002,
        "header, a thousand leads, and the rest"
    );
    assert!(file.ends_with("the rest"));
}

#[tokio::test]
async fn one_who_comes_late_does_not_begin_again_what_was_given_up() {
    let (app, acme) = one_worker().await;
    let operator = app.operator("olga").await;
    let queue = "/api/v1/performance/jobs/imports";
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let mut other = app.database.connect(DatabaseRole::Superuser).await;
    fill(&acme, 10).await;
    let why = json!({ "reason": "so that the operation can be locked first" });
    operator.post(&format!("{queue}/pause"), why).await.expect(200);
    let operation = location(&export(&acme.owner, "").await);

    let mut held = database.begin().await.unwrap();
    held.execute("SELECT FROM operations FOR UPDATE").await.unwrap();
    operator.post(&format!("{queue}/resume"), json!({})).await;
    wait_until_held_up(&mut other, 1).await;
    take_the_job_away(&mut held, "dead").await;
    held.execute("UPDATE operations SET state = 'failed', error = 'a fault of ours', finished_at = now()")
        .await
        .unwrap();
    held.commit().await.unwrap();
    wait_until_the_worker_is_free(&acme).await;

    let end = acme.owner.get(&operation).await.expect(200);
    assert_eq!(end["state"], "failed", "{end}");
}
