//! Several processes work on one queue, and are killed and held up.

use std::process::{Child, Command};

use fairlead_domain::jobs::NewJob;
use sqlx::{Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::{Effect, TestDatabase, wait_until};

use super::bench::{Bench, QUEUE, count, listening, tenant};

/// A worker that lives extends its claims three times as often, also on a machine that is busy with other things.
const LEASE_MS: u32 = 5_000;

/// A worker in a process of its own; it is killed when dropped.
struct Process(Child);

impl Process {
    fn start(database: &TestDatabase, lease_ms: u32) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_job-worker"))
            .arg(database.url(DatabaseRole::App))
            .arg(database.url(DatabaseRole::System))
            .arg(lease_ms.to_string())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn name(&self) -> String {
        format!("process {}", self.0.id())
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn effect(takes_ms: u64) -> NewJob {
    NewJob::new(QUEUE, Effect::KIND, &takes_ms)
}

async fn effects(database: &mut PgConnection) -> (i64, i64) {
    sqlx::query_as(
        "SELECT count(*), COALESCE(sum(events), 0)::bigint FROM usage_by_day WHERE source = 'effect'",
    )
    .fetch_one(database)
    .await
    .unwrap()
}

async fn tenants(database: &mut PgConnection, numbers: impl IntoIterator<Item = u128>) {
    for number in numbers {
        sqlx::query(
            "INSERT INTO tenants (tenant_id, id, slug, name, created_at, updated_at)
             VALUES ($1, $1, 'tenant-' || $2, 'Tenant', now(), now())",
        )
        .bind(tenant(number))
        .bind(i64::try_from(number).unwrap())
        .execute(&mut *database)
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_job_whose_worker_is_killed_is_done_by_another_once() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    tenants(&mut superuser, [1]).await;
    bench.enqueue(tenant(1), [effect(4_000)]).await;
    let killed = Process::start(&database, LEASE_MS);
    wait_until("the job is begun", async || {
        count(&mut superuser, "state = 'active'").await == 1
    })
    .await;

    killed.signal("KILL");
    let other = Process::start(&database, LEASE_MS);
    wait_until("the job is done", async || {
        count(&mut superuser, "state = 'completed'").await == 1
    })
    .await;

    let by_other = format!("attempts = 2 AND fence = 2 AND worker = '{}'", other.name());
    assert_eq!(count(&mut superuser, &by_other).await, 1);
    assert_eq!(effects(&mut superuser).await, (1, 1));
}

#[tokio::test]
async fn what_a_worker_does_that_stood_still_too_long_is_refused() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    tenants(&mut superuser, [1]).await;
    bench.enqueue(tenant(1), [effect(4_000)]).await;
    let late = Process::start(&database, LEASE_MS);
    wait_until("the job is begun", async || {
        count(&mut superuser, "state = 'active'").await == 1
    })
    .await;

    late.signal("STOP");
    let other = Process::start(&database, LEASE_MS);
    wait_until("the other has the job", async || {
        count(&mut superuser, "state = 'active' AND fence = 2").await == 1
    })
    .await;
    // It wakes up with the job in hand, while the other still works on it.
    late.signal("CONT");
    wait_until("the job is done", async || {
        count(&mut superuser, "state = 'completed'").await == 1
    })
    .await;
    // What the late one is in the middle of, it has ended when it does another job.
    drop(other);
    bench.enqueue(tenant(1), [effect(0)]).await;
    wait_until("the late one works on", async || {
        count(&mut superuser, "state = 'completed'").await == 2
    })
    .await;

    let by_late = format!("worker = '{}' AND fence = 1", late.name());
    assert_eq!(count(&mut superuser, &by_late).await, 1);
    assert_eq!(effects(&mut superuser).await, (2, 2), "an effect is there twice");
}

#[tokio::test]
async fn processes_share_a_queue_and_do_no_job_twice() {
    const JOBS: i64 = 400;
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    tenants(&mut superuser, 1..=4).await;
    for number in 1..=4 {
        bench
            .enqueue(tenant(number), (0..JOBS / 4).map(|_| effect(5)))
            .await;
    }

    // Paused until both are there, so that none has done all before the other begins.
    let pause =
        "INSERT INTO job_queues (queue, mode, reason, operator) VALUES ('lead-processing', 'paused', '', '')";
    superuser.execute(pause).await.unwrap();
    let processes = [
        Process::start(&database, 30_000),
        Process::start(&database, 30_000),
    ];
    wait_until("both listen", async || listening(&mut superuser).await == 2).await;
    superuser.execute("DELETE FROM job_queues").await.unwrap();
    wait_until("all is done", async || {
        count(&mut superuser, "state = 'completed'").await == JOBS
    })
    .await;

    assert_eq!(count(&mut superuser, "attempts = 1 AND fence = 1").await, JOBS);
    assert_eq!(effects(&mut superuser).await, (JOBS, JOBS));
    for process in &processes {
        let share = count(&mut superuser, &format!("worker = '{}'", process.name())).await;
        assert!(share > 0, "one process has done all");
        println!("{} has done {share} of {JOBS}", process.name());
    }
}
