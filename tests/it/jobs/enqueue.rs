//! A job is there when, and only when, what it follows from is.

use fairlead_domain::jobs::{FinishError, JobOwner, JobStore as _, Priorities, Queue};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::{TestApp, TestDatabase, wait_until};

use super::bench::{Bench, count, job, owner, tenant};

#[tokio::test]
async fn a_job_is_enqueued_by_the_commit_and_not_before() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;

    let mut undone = bench.begin(tenant(1)).await;
    undone.jobs().enqueue(job("undone")).await.unwrap();
    // A statement with an answer, so that the job is in the database.
    undone.users().count().await.unwrap();
    drop(undone);
    let mut uow = bench.begin(tenant(1)).await;
    uow.jobs().enqueue(job("done")).await.unwrap();
    assert_eq!(bench.claim(5, JobOwner::Platform).await.jobs.len(), 0);
    uow.commit().await.unwrap();

    let claimed = bench.claim(5, JobOwner::Platform).await.jobs;
    let kinds: Vec<&str> = claimed.iter().map(|job| job.kind.as_str()).collect();
    assert_eq!(kinds, ["done"]);
    assert_eq!((claimed[0].attempt, claimed[0].owner()), (1, owner(1)));
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    assert_eq!(
        count(&mut superuser, "true").await,
        1,
        "the job that was undone is there"
    );
}

#[tokio::test]
async fn a_unique_job_is_left_out_while_one_like_it_is_not_finished() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    let unique = || job("rescore").unique("lead 7");

    bench
        .enqueue(tenant(1), [unique(), unique(), job("rescore")])
        .await;
    // Of another tenant it is another job.
    bench.enqueue(tenant(2), [unique()]).await;
    let mut claimed = bench.claim(5, JobOwner::Platform).await.jobs;
    assert_eq!(claimed.len(), 3);
    bench.enqueue(tenant(1), [unique()]).await;
    assert_eq!(bench.claim(5, JobOwner::Platform).await.jobs.len(), 0);

    claimed.retain(|job| job.owner() == owner(1));
    for job in &claimed {
        assert!(bench.system.complete(&job.ticket).await.unwrap());
    }
    bench.enqueue(tenant(1), [unique(), unique()]).await;
    assert_eq!(bench.claim(5, JobOwner::Platform).await.jobs.len(), 1);
}

#[tokio::test]
async fn a_job_is_finished_with_its_effect_or_neither_is() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    bench.enqueue(tenant(1), [job("effect")]).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;

    let first = bench.claim(1, JobOwner::Platform).await.jobs.remove(0);
    // As after the lease has lapsed.
    superuser
        .execute("UPDATE jobs SET lease_until = now() - interval '1 second'")
        .await
        .unwrap();
    let swept = bench.system.sweep(&Queue::ALL).await.unwrap();
    assert_eq!((swept.rescued, swept.dead), (1, vec![]));
    let second = bench.claim(1, JobOwner::Platform).await.jobs.remove(0);
    assert_eq!((second.attempt, second.ticket.id), (2, first.ticket.id));

    let mut late = bench.begin(tenant(1)).await;
    late.jobs().enqueue(job("effect of the late one")).await.unwrap();
    let refused = late.jobs().finish(&first.ticket).await;
    assert!(matches!(refused, Err(FinishError::Lost)), "{refused:?}");
    drop(late);
    assert!(!bench.system.complete(&first.ticket).await.unwrap());
    assert!(!bench.system.fail(&first.ticket, "late", None).await.unwrap());

    let mut uow = bench.begin(tenant(1)).await;
    uow.jobs().enqueue(job("the effect")).await.unwrap();
    uow.jobs().finish(&second.ticket).await.unwrap();
    uow.commit().await.unwrap();

    assert_eq!(
        count(&mut superuser, "kind = 'effect' AND state = 'completed'").await,
        1
    );
    assert_eq!(count(&mut superuser, "kind LIKE '% effect'").await, 1);
    assert_eq!(count(&mut superuser, "kind LIKE '% late one'").await, 0);
}

#[tokio::test]
async fn no_tenant_sees_or_finishes_the_job_of_another() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    bench.enqueue(tenant(1), [job("of one")]).await;
    let claimed = bench.claim(1, JobOwner::Platform).await.jobs.remove(0);

    let mut other = bench.begin(tenant(2)).await;
    let refused = other.jobs().finish(&claimed.ticket).await;

    assert!(matches!(refused, Err(FinishError::Lost)), "{refused:?}");
    let mut app = database.connect(DatabaseRole::App).await;
    assert_eq!(count(&mut app, "true").await, 0);
}

#[tokio::test]
async fn a_job_that_says_no_priority_has_that_of_its_queue() {
    let database = TestDatabase::create().await;
    let priorities = Priorities::new(|queue| if queue == Queue::LeadProcessing { 5 } else { 0 });
    let bench = Bench::with(&database, |parts| parts.priorities = priorities).await;

    bench.enqueue(tenant(1), [job("behind").priority(6)]).await;
    bench.enqueue(tenant(1), [job("as the queue")]).await;
    let mut uow = bench.begin(tenant(1)).await;
    let many = vec![job("also as the queue"), job("before").priority(4)];
    uow.jobs().enqueue_all(many).await.unwrap();
    uow.commit().await.unwrap();

    let mut order = Vec::new();
    for _ in 0..4 {
        order.extend(
            bench
                .claim(1, JobOwner::Platform)
                .await
                .jobs
                .into_iter()
                .map(|job| job.kind),
        );
    }
    assert_eq!(order, ["before", "as the queue", "also as the queue", "behind"]);
}

#[tokio::test]
async fn the_priority_of_a_queue_is_configured() {
    let app = TestApp::start_with(|config| {
        config.jobs.maintenance.priority = 8;
        config.jobs.imports.priority = 3;
    })
    .await;
    let acme = app.tenant("acme").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;

    acme.owner
        .post("/api/v1/leads/export", serde_json::json!({}))
        .await
        .expect(202);

    // One that a request has enqueued, and those of schedules.
    assert_eq!(
        count(&mut superuser, "queue = 'imports' AND priority = 3").await,
        1
    );
    let chores = "queue = 'maintenance' AND priority = 8";
    wait_until("there are chores", async || {
        count(&mut superuser, chores).await > 0
    })
    .await;
    assert_eq!(count(&mut superuser, "priority NOT IN (3, 8)").await, 0);
}
