//! Processes that end or stand still, faults of ours, and what becomes of the imports that they were at.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::process::Program;
use support::{TestApp, TestDatabase, TestTenant, wait_until};

use super::{
    agent_of, counted, events_of, file_with_a_stop, hold, import, location, log, meddle, rows, wait_for,
    wait_for_end, wait_until_held_up, wait_until_midway,
};

#[tokio::test]
async fn what_a_killed_process_has_left_another_goes_on_with_and_every_row_is_there_once() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__JOBS__LEASE_MS", "5000")
        .with("FAIRLEAD__JOBS__SWEEP_MS", "100");
    let killed = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(killed.anonymous(), "acme").await;
    let agent = agent_of(&acme).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let mut holder = database.connect(DatabaseRole::Superuser).await;
    let held = hold(&mut holder, &agent).await;
    let operation = location(&import(&acme.owner, "", file_with_a_stop(&agent)).await);
    wait_until_midway(&acme.owner, &operation).await;
    wait_until_held_up(&mut superuser, 1).await;

    killed.signal("KILL");
    killed.ended().await;
    held.rollback().await.unwrap();
    let other = program.serve().await.unwrap();
    let acme = acme.at(&other.url);
    let end = wait_for_end(&acme.owner, &operation).await;

    assert_eq!(end["state"], "completed", "{end}");
    assert_eq!(
        (&end["progress"]["done"], &end["result"]["successful"]),
        (&json!(2_500), &json!(2_500))
    );
    assert_eq!(log(&end), ["begun", "goes on behind row 1000", "completed"]);
    assert_eq!(counted(&mut superuser).await, (2_500, 2_500, 0));
}

/// An import that two workers are at: the first in the middle of its second thousand, the second behind it.
struct AtTwo {
    app: TestApp,
    acme: TestTenant,
    database: PgConnection,
    holder: PgConnection,
    agent: String,
    operation: String,
}

impl AtTwo {
    async fn begin() -> Self {
        let app = TestApp::start_with(|config| {
            // Of one tenant two, and nobody notices that the claim is another's.
            config.jobs.imports.concurrency = 3;
            config.jobs.lease = Duration::from_mins(10);
            config.jobs.imports.backoff = Duration::from_millis(50);
        })
        .await;
        let acme = app.tenant("acme").await;
        let agent = agent_of(&acme).await;
        Self {
            database: app.database.connect(DatabaseRole::Superuser).await,
            holder: app.database.connect(DatabaseRole::Superuser).await,
            app,
            acme,
            agent,
            operation: String::new(),
        }
    }
}

async fn begin_twice(at: &mut AtTwo) -> sqlx::Transaction<'_, sqlx::Postgres> {
    let AtTwo {
        acme,
        database,
        holder,
        agent,
        operation,
        ..
    } = at;
    let held = hold(holder, agent).await;
    *operation = location(&import(&acme.owner, "", file_with_a_stop(agent)).await);
    wait_until_midway(&acme.owner, operation).await;
    wait_until_held_up(database, 1).await;
    // As if the lease had lapsed while its worker was at work.
    database
        .execute("UPDATE jobs SET state = 'waiting', lease_until = NULL WHERE queue = 'imports'; NOTIFY fairlead_jobs")
        .await
        .unwrap();
    wait_until_held_up(database, 2).await;
    held
}

#[tokio::test]
async fn two_who_believe_to_have_the_job_do_each_row_once() {
    let mut at = AtTwo::begin().await;

    begin_twice(&mut at).await.rollback().await.unwrap();
    let end = wait_for_end(&at.acme.owner, &at.operation).await;

    assert_eq!(end["state"], "completed", "{end}");
    assert_eq!(end["result"]["successful"], 2_500, "{end}");
    assert_eq!(log(&end), ["begun", "goes on behind row 1000", "completed"]);
    assert_eq!(counted(&mut at.database).await, (2_500, 2_500, 0));
}

#[tokio::test]
async fn what_the_first_of_two_could_not_finish_the_second_does() {
    let mut at = AtTwo::begin().await;
    let mut other = at.app.database.connect(DatabaseRole::Superuser).await;

    let held = begin_twice(&mut at).await;
    // The first waits for the agent, and the second for the first.
    let first = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%users%'";
    let ended: i64 = sqlx::query_scalar(first).fetch_one(&mut other).await.unwrap();
    wait_until_held_up(&mut other, 1).await;
    held.rollback().await.unwrap();
    let end = wait_for_end(&at.acme.owner, &at.operation).await;

    assert_eq!(ended, 1);
    assert_eq!(
        (&end["state"], &end["result"]["successful"]),
        (&json!("completed"), &json!(2_500)),
        "{end}"
    );
    assert_eq!(counted(&mut at.database).await, (2_500, 2_500, 0));
}

#[tokio::test]
async fn two_at_work_stop_both_where_somebody_wants_it() {
    let mut at = AtTwo::begin().await;
    let owner = at.acme.owner.clone();

    let held = begin_twice(&mut at).await;
    let listed = owner.get("/api/v1/operations").await.expect(200);
    let operation = format!(
        "/api/v1/operations/{}",
        listed["items"][0]["id"].as_str().unwrap()
    );
    owner.delete(&operation).await.expect(202);
    held.rollback().await.unwrap();
    let end = wait_for_end(&owner, &operation).await;

    assert_eq!(
        (&end["state"], &end["result"]["successful"]),
        (&json!("cancelled"), &json!(2_000)),
        "{end}"
    );
    wait_until("what is left of the file is gone", async || {
        counted(&mut at.database).await == (2_000, 2_000, 0)
    })
    .await;
}

#[tokio::test]
async fn what_failed_for_good_says_so_at_once_and_is_taken_up_again_when_its_job_is_retried() {
    let app = TestApp::start_with(|config| {
        config.jobs.imports.attempts = 2;
        config.jobs.imports.backoff = Duration::from_millis(20);
    })
    .await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    meddle(
        &mut database,
        "IF NEW.done > 1000 THEN RAISE 'a fault of ours'; END IF",
    )
    .await;
    let file = format!("name,email,company\n{}", rows(0..2_500, ""));

    let operation = location(&import(&acme.owner, "", file).await);
    let failed = wait_for_end(&acme.owner, &operation).await;
    let kept = counted(&mut database).await;
    database
        .execute("DROP TRIGGER meddle ON operations")
        .await
        .unwrap();
    // What it is to do is not to be changed with its payload.
    let jobs = "/api/v1/performance/jobs";
    let dead = operator
        .get(&format!("{jobs}?queue=imports&state=dead"))
        .await
        .expect(200);
    let dead = dead["items"][0]["id"].as_str().unwrap().to_owned();
    let edit =
        json!({ "payload": { "skipDuplicates": true, "operation": "01934f6e-7b1a-7cc3-98a4-0242ac120011" } });
    operator.patch(&format!("{jobs}/{dead}"), edit).await;
    let retried = operator
        .post(&format!("{jobs}/imports/retry-failed"), json!({}))
        .await;
    assert!(retried.status.is_success(), "{retried:?}");
    let end = wait_for(&acme.owner, &operation, |operation| {
        operation["state"] == "completed"
    })
    .await;

    assert_eq!(failed["state"], "failed");
    assert!(
        failed["error"].as_str().unwrap().contains("several times"),
        "{failed}"
    );
    assert_eq!(kept, (1_000, 1_000, 2));
    assert_eq!(
        (&end["error"], &end["result"]["successful"]),
        (&Value::Null, &json!(2_500))
    );
    let lines = log(&end);
    assert_eq!(lines.first(), Some(&"begun"));
    assert_eq!(
        lines[lines.len() - 3..],
        [
            "given up behind row 1000",
            "taken up again behind row 1000",
            "completed"
        ]
    );
    assert_eq!(counted(&mut database).await, (2_500, 2_500, 0));
    assert_eq!(
        events_of(&mut database, &operation).await,
        [
            "operation_queued",
            "operation_started",
            "operation_ended",
            "operation_started",
            "operation_ended"
        ]
    );
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_and_is_the_last_gives_the_import_up() {
    let app = TestApp::start_with(|config| {
        config.jobs.imports.attempts = 1;
        config.jobs.imports.timeout = Duration::from_secs(1);
    })
    .await;
    let acme = app.tenant("acme").await;
    let agent = agent_of(&acme).await;
    let mut holder = app.database.connect(DatabaseRole::Superuser).await;
    let held = hold(&mut holder, &agent).await;

    let operation = location(&import(&acme.owner, "", file_with_a_stop(&agent)).await);
    let end = wait_for_end(&acme.owner, &operation).await;
    held.rollback().await.unwrap();

    assert_eq!(
        (&end["state"], &end["result"]["successful"]),
        (&json!("failed"), &json!(1_000))
    );
}

#[tokio::test]
async fn an_import_whose_last_worker_is_gone_is_given_up_when_that_is_noticed() {
    let app = TestApp::start_with(|config| config.jobs.imports.concurrency = 0).await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let operation = location(&import(&acme.owner, "", "name\nAnn\n").await);

    database
        .execute(
            "UPDATE jobs SET state = 'active', attempts = 3, max_attempts = 3, fence = fence + 1, worker = 'a',
                    started_at = now(), lease_until = now() - interval '1 minute'
             WHERE queue = 'imports'",
        )
        .await
        .unwrap();
    let end = wait_for_end(&acme.owner, &operation).await;

    assert_eq!(end["state"], "failed");
    assert_eq!(log(&end), ["given up behind row 0"]);
}

#[tokio::test]
async fn an_import_whose_input_is_gone_fails_at_once() {
    let app = TestApp::start_with(|config| config.jobs.imports.backoff = Duration::from_hours(1)).await;
    let acme = app.tenant("acme").await;
    let agent = agent_of(&acme).await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let mut holder = app.database.connect(DatabaseRole::Superuser).await;
    let held = hold(&mut holder, &agent).await;
    let operation = location(&import(&acme.owner, "", file_with_a_stop(&agent)).await);
    wait_until_midway(&acme.owner, &operation).await;
    wait_until_held_up(&mut database, 1).await;

    database
        .execute("DELETE FROM operation_inputs WHERE number = 2")
        .await
        .unwrap();
    held.rollback().await.unwrap();
    let end = wait_for_end(&acme.owner, &operation).await;

    assert_eq!(
        (&end["state"], &end["progress"]["done"]),
        (&json!("failed"), &json!(2_000))
    );
}
