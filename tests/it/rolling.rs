//! What a rollout meets.

use support::database::DatabaseRole;
use support::process::Program;
use support::{TestDatabase, TestTenant};

/// Makes tables, and so fails where they are.
const STEP: &str = "m20261122_003100_lead_subscriptions";

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_leaves_the_old_version_serving_and_keeps_the_new_one_out() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let old = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(old.anonymous(), "acme").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    // A step is to be made again, and what it makes is there.
    sqlx::query("DELETE FROM seaql_migrations WHERE version = $1")
        .bind(STEP)
        .execute(&mut superuser)
        .await
        .unwrap();

    let migrated = program.run(&["migrate"]).await;

    assert!(!migrated.status.success(), "{migrated:?}");
    // Nothing of the step is kept, and nothing that it did not make is undone.
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM seaql_migrations WHERE version = $1")
        .bind(STEP)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!(kept, 0);
    acme.lead("Ann").await;
    acme.owner.get("/api/v1/leads").await.expect(200);
    old.anonymous().get("/health/ready").await.expect(200);
    let refused = program.serve().await.expect_err("its schema is not there");
    assert!(refused.stderr.contains("1 steps are pending"), "{refused:?}");

    sqlx::query("INSERT INTO seaql_migrations (version, applied_at) VALUES ($1, 0)")
        .bind(STEP)
        .execute(&mut superuser)
        .await
        .unwrap();
    let new = program.serve().await.unwrap();
    new.anonymous().get("/health/ready").await.expect(200);
}
