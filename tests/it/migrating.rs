//! The schema is brought up to date while others work.

use fairlead_migrations::migrate;
use fairlead_telemetry::spawn;
use sqlx::{Connection as _, Executor as _};
use support::database::DatabaseRole;
use support::{TestDatabase, wait_until};

/// Builds an index beside those who write.
const STEP: &str = "m20261123_060000_jobs_dead";

/// As a try leaves it that was broken off.
const BROKEN_OFF: &str = "
    DELETE FROM seaql_migrations WHERE version = 'm20261123_060000_jobs_dead';
    UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'jobs_dead'::regclass";

const JOB: &str = "
    INSERT INTO jobs (tenant_id, id, queue, kind, payload, priority, state, run_at)
    VALUES (gen_random_uuid(), gen_random_uuid(), 'lead-processing', 'score-lead', '{}', 1, 'waiting', now())";

const IS_WAITING: &str = "
    SELECT EXISTS (SELECT FROM pg_stat_activity
                   WHERE datname = current_database() AND query LIKE '%CONCURRENTLY%' AND wait_event_type = 'Lock'
                     AND pid <> pg_backend_pid())";

#[tokio::test]
async fn an_index_of_a_busy_table_is_built_anew_by_one_of_many_while_others_write() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser.execute(BROKEN_OFF).await.unwrap();
    let mut writer = database.connect(DatabaseRole::Superuser).await;
    let mut under_way = writer.begin().await.unwrap();
    under_way.execute(JOB).await.unwrap();

    let owner = database.url(DatabaseRole::Owner);
    let migrating: Vec<_> = (0..3)
        .map(|_| {
            let owner = owner.clone();
            spawn(async move { migrate(&owner).await })
        })
        .collect();
    wait_until("it waits for whoever was there before", async || {
        let is_waiting = sqlx::query_scalar(IS_WAITING).fetch_one(&mut superuser).await;
        is_waiting.unwrap()
    })
    .await;
    superuser.execute("SET lock_timeout = '1s'").await.unwrap();
    superuser.execute(JOB).await.expect("nobody waits for the index");
    under_way.commit().await.unwrap();

    let mut applied = Vec::new();
    for one in migrating {
        applied.extend(one.await.unwrap().unwrap());
    }
    assert_eq!(applied, [STEP], "one of them has done it");
    let is_valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'jobs_dead'::regclass";
    let is_valid: bool = sqlx::query_scalar(is_valid)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert!(is_valid);
}
