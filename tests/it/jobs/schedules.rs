//! Jobs that are enqueued again and again: at each moment once, whoever is there.

use std::time::Duration;

use fairlead_domain::jobs::{Missed, NewJob, Overlap, Schedule, Schedules as _, Timing};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::{TestDatabase, wait_until};
use time::OffsetDateTime;

use super::bench::{QUEUE, count, job};
use super::worker::{CHORE, LONG_CHORE, SETTINGS, Working};

fn schedule(name: &str, kind: &'static str, missed: Missed, overlap: Overlap) -> Schedule {
    let NewJob { payload, .. } = job(kind);
    Schedule {
        name: name.to_owned(),
        queue: QUEUE,
        kind: kind.to_owned(),
        payload,
        timing: Timing {
            // None comes while the test runs but those that it makes.
            cron: "0 0 1 1 *".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
        },
        missed,
        overlap,
        created_by: "a test".to_owned(),
        next_at: OffsetDateTime::UNIX_EPOCH + time::Duration::days(100_000),
        last_at: None,
    }
}

/// Has the moment of a schedule come so long ago.
async fn come(database: &mut PgConnection, name: &str, ago: &str) {
    let sql = format!("UPDATE job_schedules SET next_at = now() - interval '{ago}' WHERE name = '{name}'");
    database.execute(AssertSqlSafe(sql)).await.unwrap();
}

async fn has_moved_on(database: &mut PgConnection, name: &str) -> bool {
    sqlx::query_scalar("SELECT next_at > now() FROM job_schedules WHERE name = $1")
        .bind(name)
        .fetch_one(database)
        .await
        .unwrap()
}

const OFTEN: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_moment_fires_once_however_many_processes_look() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let workings = [
        Working::on(&database, SETTINGS, OFTEN).await,
        Working::on(&database, SETTINGS, OFTEN).await,
        Working::on(&database, SETTINGS, OFTEN).await,
    ];
    let nightly = schedule("nightly", CHORE, Missed::Once, Overlap::Allow);
    workings[0].bench.system.put(&nightly).await.unwrap();

    for moment in 1..=10 {
        come(&mut superuser, "nightly", "1 second").await;
        wait_until("the job of the moment is done", async || {
            count(&mut superuser, "state = 'completed'").await >= moment
        })
        .await;
        assert!(has_moved_on(&mut superuser, "nightly").await);
    }

    let begun: usize = workings.iter().map(|working| working.script.begun(CHORE)).sum();
    assert_eq!(begun, 10);
    let of_schedule = "schedule = 'nightly' AND fire_at IS NOT NULL";
    assert_eq!(count(&mut superuser, of_schedule).await, 10);
}

#[tokio::test]
async fn what_was_missed_is_left_out_or_made_up_for_once() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let working = Working::on(&database, SETTINGS, OFTEN).await;
    for (name, missed) in [("skips", Missed::Skip), ("makes-up", Missed::Once)] {
        let schedule = schedule(name, CHORE, missed, Overlap::Allow);
        working.bench.system.put(&schedule).await.unwrap();
    }

    for name in ["skips", "makes-up"] {
        come(&mut superuser, name, "3 years").await;
        wait_until("it goes on", async || has_moved_on(&mut superuser, name).await).await;
    }

    wait_until("it is made up for", async || {
        count(&mut superuser, "schedule = 'makes-up' AND state = 'completed'").await == 1
    })
    .await;
    assert_eq!(count(&mut superuser, "true").await, 1);
}

#[tokio::test]
async fn a_schedule_whose_last_job_is_not_finished_waits_or_does_not() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let working = Working::on(&database, SETTINGS, OFTEN).await;
    for (name, overlap) in [("one-at-a-time", Overlap::Skip), ("side-by-side", Overlap::Allow)] {
        let schedule = schedule(name, LONG_CHORE, Missed::Once, overlap);
        working.bench.system.put(&schedule).await.unwrap();
    }

    for _ in 0..2 {
        for name in ["one-at-a-time", "side-by-side"] {
            come(&mut superuser, name, "1 second").await;
            wait_until("it goes on", async || has_moved_on(&mut superuser, name).await).await;
        }
    }

    assert_eq!(count(&mut superuser, "schedule = 'one-at-a-time'").await, 1);
    assert_eq!(count(&mut superuser, "schedule = 'side-by-side'").await, 2);
}
