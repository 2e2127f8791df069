//! Whose turn it is, what comes again and when, and what a claim costs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fairlead_domain::jobs::{
    Job, JobOperations as _, JobOwner, JobStore as _, NewJob, NewPause, Part, Queue,
};
use futures_util::future::join_all;
use sqlx::{Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::{TestDatabase, wait_until};
use time::OffsetDateTime;
use time::macros::datetime;

use super::bench::{Bench, LEASE, QUEUE, count, fill, job, owner, tenant};

fn owners(jobs: &[Job]) -> Vec<JobOwner> {
    jobs.iter().map(Job::owner).collect()
}

#[tokio::test]
async fn tenants_take_turns_whatever_each_has_waiting() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    fill(&mut superuser, tenant(2), 50, "many").await;
    for number in [1, 3, 4] {
        fill(&mut superuser, tenant(number), 3, "few").await;
    }

    // A share each, behind whose turn was last, and around.
    let first = bench.claim(2, JobOwner::Platform).await;
    let second = bench.claim(2, first.last).await;
    let third = bench.claim(2, second.last).await;
    let all = bench.claim(8, third.last).await;

    assert_eq!(owners(&first.jobs), [owner(1), owner(2)]);
    assert_eq!(owners(&second.jobs), [owner(3), owner(4)]);
    assert_eq!(owners(&third.jobs), [owner(1), owner(2)]);
    let shares = [3, 3, 4, 4, 1, 2, 2, 2].map(owner);
    assert_eq!(owners(&all.jobs)[..5], shares[..5]);
    assert_eq!(
        all.jobs.len(),
        7,
        "each tenant has its share of two at the most: {all:?}"
    );
    // Who has enough in hand gets no more.
    let held = bench
        .claim_with(2, JobOwner::Platform, &[owner(2), owner(2)])
        .await;
    assert!(!owners(&held.jobs).contains(&owner(2)), "{held:?}");
}

#[tokio::test]
async fn the_lowest_priority_is_first_then_what_was_due_first() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    let of = |kind, priority| NewJob {
        priority: Some(priority),
        ..job(kind)
    };
    bench.enqueue(tenant(1), [of("third", 5)]).await;
    bench.enqueue(tenant(1), [of("second", 1)]).await;
    bench.enqueue(tenant(1), [of("first", 0)]).await;
    bench.enqueue(tenant(1), [of("fourth", 5)]).await;

    let mut order = Vec::new();
    for _ in 0..4 {
        let claimed = bench.claim(1, JobOwner::Platform).await;
        order.push(claimed.jobs[0].kind.clone());
    }

    assert_eq!(order, ["first", "second", "third", "fourth"]);
}

#[tokio::test]
async fn what_stands_aside_is_behind_the_others_and_holds_a_part_of_the_places() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    for number in 1..=4 {
        let aside = |_| job("aside").aside();
        bench.enqueue(tenant(number), (0..3).map(aside)).await;
    }
    bench.enqueue(tenant(1), [job("usual"), job("usual")]).await;

    // One of each tenant, and two of all.
    let claimed = bench.claim(20, JobOwner::Platform).await;
    let mut kinds: Vec<(JobOwner, &str, bool)> = claimed
        .jobs
        .iter()
        .map(|job| (job.owner(), &*job.kind, job.is_aside))
        .collect();
    kinds.sort_unstable();
    let usual = claimed.jobs.iter().find(|job| job.kind == "usual").unwrap();
    let mut uow = bench.begin(tenant(1)).await;
    uow.jobs().set_aside(&usual.ticket).await.unwrap();
    uow.commit().await.unwrap();
    let again = bench.claim(20, owner(4)).await;

    assert_eq!(kinds.len(), 4, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|(_, kind, _)| *kind == "usual").count(), 2);
    assert!(
        kinds
            .iter()
            .all(|(_, kind, is_aside)| (*kind == "aside") == *is_aside)
    );
    assert!(again.jobs.iter().all(|job| job.is_aside), "{again:?}");
    assert!(
        !bench.system.complete(&usual.ticket).await.unwrap(),
        "it was given back"
    );
}

#[tokio::test]
async fn a_job_that_fails_comes_again_later_and_is_dead_in_the_end() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    bench.enqueue(tenant(1), [job("fails")]).await;

    let first = bench.claim(1, JobOwner::Platform).await.jobs.remove(0);
    let pause = Some(Duration::from_hours(1));
    assert!(bench.system.fail(&first.ticket, "not yet", pause).await.unwrap());
    assert_eq!(bench.system.sweep(&Queue::ALL).await.unwrap().due, 0);
    assert_eq!(
        count(&mut superuser, "state = 'delayed' AND run_at > now()").await,
        1
    );
    superuser.execute("UPDATE jobs SET run_at = now()").await.unwrap();
    assert_eq!(bench.system.sweep(&Queue::ALL).await.unwrap().due, 1);
    let second = bench.claim(1, JobOwner::Platform).await.jobs.remove(0);
    assert!(bench.system.fail(&second.ticket, "never", None).await.unwrap());

    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert_eq!(
        count(
            &mut superuser,
            "state = 'dead' AND fault = 'never' AND attempts = 2"
        )
        .await,
        1
    );
    assert_eq!(bench.claim(1, JobOwner::Platform).await.jobs.len(), 0);
}

#[tokio::test]
async fn a_job_that_is_given_back_has_lost_no_attempt() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    bench.enqueue(tenant(1), [job("given back")]).await;

    let first = bench.claim(1, JobOwner::Platform).await.jobs.remove(0);
    assert!(
        bench
            .system
            .give_back(&first.ticket, Duration::ZERO)
            .await
            .unwrap()
    );
    let second = bench.claim(1, JobOwner::Platform).await.jobs.remove(0);

    assert_eq!((second.attempt, second.ticket.fence), (1, 2));
    assert!(!bench.system.complete(&first.ticket).await.unwrap());
}

#[tokio::test]
async fn a_claim_that_is_extended_is_kept_and_one_that_lapses_is_rescued() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    bench
        .enqueue(
            tenant(1),
            [job("kept"), job("lapses"), job("is finished meanwhile")],
        )
        .await;
    let claimed = bench.claim(3, JobOwner::Platform).await.jobs;
    let ticket = |kind: &str| claimed.iter().find(|job| job.kind == kind).unwrap().ticket;
    superuser
        .execute("UPDATE jobs SET lease_until = now() - interval '1 second', attempts = 3")
        .await
        .unwrap();
    // Its row is locked by the transaction that finishes it: nobody waits for that, and it is not lost.
    let mut finishing = bench.begin(tenant(1)).await;
    finishing
        .jobs()
        .finish(&ticket("is finished meanwhile"))
        .await
        .unwrap();

    let extended = [ticket("kept"), ticket("is finished meanwhile")];
    let lost = bench.system.extend(&extended, LEASE).await.unwrap();
    assert_eq!(lost, []);
    let swept = bench.system.sweep(&Queue::ALL).await.unwrap();
    finishing.commit().await.unwrap();

    // It was the last attempt.
    let dead: Vec<Queue> = swept.dead.iter().map(|job| job.queue).collect();
    assert_eq!((swept.rescued, dead), (0, vec![QUEUE]));
    assert_eq!(
        count(&mut superuser, "kind = 'lapses' AND state = 'dead'").await,
        1
    );
    let lost = bench
        .system
        .extend(&[ticket("kept"), ticket("lapses")], LEASE)
        .await
        .unwrap();
    assert_eq!(lost, [ticket("lapses")]);
}

#[tokio::test]
async fn workers_that_claim_at_once_share_what_there_is() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    for number in 1..=4 {
        fill(&mut superuser, tenant(number), 100, "shared").await;
    }

    let work = async || {
        let (mut mine, mut after) = (Vec::new(), JobOwner::Platform);
        // What others hold locked for a moment is passed over: none left is not the same as none got.
        while count(
            &mut database.connect(DatabaseRole::Superuser).await,
            "state = 'waiting'",
        )
        .await
            > 0
        {
            let claimed = bench.claim(7, after).await;
            after = claimed.last;
            mine.extend(claimed.jobs.into_iter().map(|job| job.ticket.id));
        }
        mine
    };
    let taken = join_all((0..4).map(|_| work())).await;

    let all: usize = taken.iter().map(Vec::len).sum();
    let different: BTreeSet<_> = taken.iter().flatten().collect();
    assert_eq!((all, different.len()), (400, 400));
}

#[tokio::test]
async fn a_queue_that_is_stopped_begins_nothing_until_its_time() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    bench.enqueue(tenant(1), [job("before"), job("before")]).await;
    let stop = |mode: &str, until: &str| {
        format!(
            "INSERT INTO job_queues (queue, mode, reason, operator, until)
             VALUES ('lead-processing', '{mode}', 'test', 'test', {until})
             ON CONFLICT (queue) DO UPDATE SET mode = EXCLUDED.mode, since = now(), until = EXCLUDED.until"
        )
    };
    let mut set = async |sql: String| {
        let sql = sqlx::AssertSqlSafe(sql);
        superuser.execute(sql).await.unwrap();
    };

    set(stop("paused", "NULL")).await;
    assert_eq!(bench.claim(1, JobOwner::Platform).await.jobs.len(), 0);
    set(stop("paused", "now() - interval '1 second'")).await;
    assert_eq!(bench.claim(1, JobOwner::Platform).await.jobs.len(), 1);
    set(stop("draining", "NULL")).await;
    bench.enqueue(tenant(1), [job("behind")]).await;

    let claimed = bench.claim(5, JobOwner::Platform).await.jobs;
    let kinds: Vec<&str> = claimed.iter().map(|job| job.kind.as_str()).collect();
    assert_eq!(kinds, ["before"]);
}

#[tokio::test]
async fn what_is_paused_of_a_queue_keeps_nobody_else_waiting() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    // Of each tenant one of each kind, the paused kinds first.
    for number in 1..=6 {
        for kind in ["paused everywhere", "paused for one", "goes on"] {
            bench.enqueue(tenant(number), [job(kind)]).await;
        }
    }
    let pause = async |kind: Option<&str>, number: Option<u128>, until: Option<OffsetDateTime>| {
        let new = NewPause {
            queue: QUEUE,
            part: Part::new(kind.map(str::to_owned), number.map(owner)).unwrap(),
            reason: "a test".to_owned(),
            operator: "olga".to_owned(),
            until,
        };
        bench.system.pause_part(&new).await.unwrap();
    };
    pause(Some("paused everywhere"), None, None).await;
    pause(Some("paused for one"), Some(6), None).await;
    for number in 1..=4 {
        pause(None, Some(number), None).await;
    }
    pause(None, Some(5), Some(datetime!(2020-01-01 0:00 UTC))).await;

    // As a worker does that has two places, and looks at two tenants at a time.
    let mut after = JobOwner::Platform;
    let mut claimed = Vec::new();
    for _ in 0..6 {
        let claim = bench.claim(2, after).await;
        after = claim.last;
        claimed.extend(claim.jobs.iter().map(|job| (job.owner(), job.kind.clone())));
    }

    claimed.sort();
    let expected = [(5, "goes on"), (5, "paused for one"), (6, "goes on")];
    assert_eq!(
        claimed,
        expected.map(|(number, kind)| (owner(number), kind.to_owned()))
    );
    let part = Part::Kind("paused everywhere".to_owned());
    assert!(bench.system.resume_part(QUEUE, &part).await.unwrap());
    assert!(!bench.system.resume_part(QUEUE, &part).await.unwrap());
    let resumed = bench.claim(9, after).await;
    let mut of_whom = owners(&resumed.jobs);
    of_whom.sort();
    assert_eq!(of_whom, [owner(5), owner(6)]);
}

#[tokio::test]
async fn what_was_due_before_a_drain_is_begun_whoever_has_enqueued_since() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    bench.enqueue(tenant(9), [job("before")]).await;
    superuser
        .execute(
            "INSERT INTO job_queues (queue, mode, reason, operator)
             VALUES ('lead-processing', 'draining', 'test', 'test')",
        )
        .await
        .unwrap();
    for number in 1..=8 {
        bench.enqueue(tenant(number), [job("behind")]).await;
    }

    // Two tenants at a time have a turn, and that of those who may not begin anything is over as well.
    let mut after = JobOwner::Platform;
    let mut turns = Vec::new();
    for _ in 0..5 {
        let claimed = bench.claim(2, after).await;
        after = claimed.last;
        turns.extend(claimed.jobs.iter().map(|job| (job.owner(), job.kind.clone())));
    }

    assert_eq!(turns, [(owner(9), "before".to_owned())]);
}

#[tokio::test]
async fn whatever_is_due_waits_after_one_look_however_much_it_is() {
    let database = TestDatabase::create().await;
    let bench = Bench::on(&database).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    fill(&mut superuser, tenant(1), 12_000, "of a tenant with many").await;
    fill(&mut superuser, tenant(2), 1, "due last").await;
    superuser
        .execute(
            "UPDATE jobs SET state = 'delayed', run_at = now() - interval '1 hour';
             UPDATE jobs SET run_at = now() WHERE kind = 'due last'",
        )
        .await
        .unwrap();

    let swept = bench.system.sweep(&Queue::ALL).await.unwrap();

    assert_eq!(swept.due, 12_001);
    let claimed = bench.claim(2, JobOwner::Platform).await;
    assert_eq!(owners(&claimed.jobs), [owner(1), owner(2)]);
}

/// What was read of `jobs`, in entries of each index, and in rows read in sequence.
async fn read_so_far(database: &mut PgConnection) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT indexrelname::text, idx_tup_read FROM pg_stat_user_indexes WHERE relname = 'jobs'
         UNION ALL SELECT 'in sequence', seq_tup_read FROM pg_stat_user_tables WHERE relname = 'jobs'",
    )
    .fetch_all(database)
    .await
    .unwrap();
    rows.into_iter().collect()
}

#[tokio::test]
async fn a_claim_reads_as_much_as_it_claims_however_many_jobs_wait() {
    const CLAIMS: usize = 20;
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    fill(&mut superuser, tenant(1), 100_000, "of a tenant with many").await;
    superuser
        .execute(
            "UPDATE jobs SET state = 'completed', finished_at = now() WHERE id IN (SELECT id FROM jobs LIMIT 50000)",
        )
        .await
        .unwrap();
    superuser.execute("VACUUM ANALYZE jobs").await.unwrap();
    for number in 2..=40 {
        fill(&mut superuser, tenant(number), 20, "of others").await;
    }
    // What this connection has read itself is told up to a second later, otherwise.
    superuser
        .execute("SELECT pg_stat_force_next_flush()")
        .await
        .unwrap();
    let before = read_so_far(&mut superuser).await;

    let bench = Bench::on(&database).await;
    let (mut after, mut claimed) = (JobOwner::Platform, Vec::new());
    for _ in 0..CLAIMS {
        let turn = bench.claim(5, after).await;
        after = turn.last;
        claimed.extend(turn.jobs);
        bench.system.sweep(&Queue::ALL).await.unwrap();
    }
    bench.close().await;

    wait_until("the connections have told what they read", async || {
        sqlx::query_scalar("SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'fairlead_system' AND datname = current_database()")
            .fetch_one(&mut superuser)
            .await
            .unwrap()
    })
    .await;
    let read: BTreeMap<String, i64> = read_so_far(&mut superuser)
        .await
        .into_iter()
        .map(|(name, now)| (name.clone(), now - before[&name]))
        .collect();
    assert_eq!(claimed.len(), CLAIMS * 5);
    // Each tenant had its turn twice, and that of the many no more than others.
    let many = claimed.iter().filter(|job| job.owner() == owner(1)).count();
    assert!((2..=3).contains(&many), "{many}");
    println!(
        "{} jobs by {CLAIMS} claims beside 100,000: {read:?}",
        claimed.len()
    );
    assert_eq!(read["in sequence"], 0, "{read:?}");
    let entries: i64 = read.values().sum();
    assert!(entries < 2_000, "{read:?}");
}
