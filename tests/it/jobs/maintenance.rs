//! What the server does by itself, by jobs.

use sqlx::{AssertSqlSafe, Executor as _};
use support::database::DatabaseRole;
use support::{TestApp, wait_until};

use super::bench::{count, fill, tenant};

const CHORES: &str = "clear-expired, clear-jobs, clear-operations, clear-webhook-deliveries, make-partitions, \
                      thin-samples";

#[tokio::test]
async fn a_server_tidies_up_when_it_starts_and_every_hour() {
    let mut app = TestApp::start().await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    wait_until("all chores are done", async || {
        count(&mut superuser, "queue = 'maintenance' AND state = 'completed'").await >= 4
    })
    .await;
    let chores: String = sqlx::query_scalar("SELECT string_agg(name, ', ' ORDER BY name) FROM job_schedules")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!(chores, CHORES);

    // An hour later there is something to do.
    let expired = format!(
        "INSERT INTO idempotency_keys (tenant_id, id, key, actor, request_hash, created_at, expires_at)
         VALUES ('{}', gen_random_uuid(), 'k', 'system', '', now() - interval '2 days', now() - interval '1 day')",
        tenant(1)
    );
    superuser.execute(AssertSqlSafe(expired)).await.unwrap();
    fill(&mut superuser, tenant(1), 3, "of last week").await;
    superuser
        .execute(
            "UPDATE jobs SET state = 'completed', finished_at = now() - interval '7 days' WHERE kind = 'of last week'",
        )
        .await
        .unwrap();
    superuser
        .execute("UPDATE job_schedules SET next_at = now()")
        .await
        .unwrap();
    wait_until("what has expired is gone", async || {
        let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM idempotency_keys")
            .fetch_one(&mut superuser)
            .await
            .unwrap();
        keys + count(&mut superuser, "kind = 'of last week'").await == 0
    })
    .await;

    // A restart is no reason to do it again: of what is not due nothing is done before what is.
    wait_until("all is done", async || {
        count(&mut superuser, "queue = 'maintenance' AND finished_at IS NULL").await == 0
    })
    .await;
    superuser
        .execute("UPDATE job_schedules SET next_at = now() + interval '1 day'")
        .await
        .unwrap();
    let (others, due) = (
        "queue = 'maintenance' AND kind <> 'clear-jobs'",
        "kind = 'clear-jobs' AND state = 'completed'",
    );
    let (others_before, due_before) = (
        count(&mut superuser, others).await,
        count(&mut superuser, due).await,
    );
    app.restart().await;
    superuser
        .execute("UPDATE job_schedules SET next_at = now() WHERE name = 'clear-jobs'")
        .await
        .unwrap();
    wait_until("the one is done", async || {
        count(&mut superuser, due).await > due_before
    })
    .await;
    assert_eq!(count(&mut superuser, others).await, others_before);
}
