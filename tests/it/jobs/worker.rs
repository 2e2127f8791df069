//! What a worker makes of jobs: begun when they are due, tried again, given up, given back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::jobs::{
    Done, Job, JobError, JobHandler, JobsMonitor as _, QueueReport, QueueSettings, Retry, Waits,
};
use fairlead_worker::{JobSignal, JobTasks, JobWorker, JobWorkerParts, SchedulerParts, ZonedCalendar};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::{TestDatabase, wait_until};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::bench::{Bench, LEASE, QUEUE, count, fill, job, listening, tenant};

/// Does as the kind of the job says, and writes down what it has begun.
#[derive(Debug, Default)]
pub(super) struct Script {
    begun: Mutex<Vec<(Uuid, String)>>,
}

impl Script {
    pub(super) fn begun(&self, kind: &str) -> usize {
        self.begun
            .lock()
            .unwrap()
            .iter()
            .filter(|(_, begun)| begun == kind)
            .count()
    }
}

#[derive(Debug)]
struct Actor {
    kind: &'static str,
    script: Arc<Script>,
}

const KINDS: [&str; 9] = [
    "quick",
    "takes 20 ms",
    "takes long",
    "fails",
    "panics",
    "is rejected",
    "fails of what cannot be kept",
    CHORE,
    LONG_CHORE,
];
/// Of the platform.
pub(super) const CHORE: &str = "a chore";
pub(super) const LONG_CHORE: &str = "a chore that takes long";

#[async_trait]
impl JobHandler for Actor {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn is_of_platform(&self) -> bool {
        [CHORE, LONG_CHORE].contains(&self.kind)
    }

    async fn run(&self, job: &Job) -> Result<Done, JobError> {
        let begun = (job.owner().as_uuid(), job.kind.clone());
        self.script.begun.lock().unwrap().push(begun);
        match self.kind {
            "takes 20 ms" => sleep(Duration::from_millis(20)).await,
            "takes long" | LONG_CHORE => sleep(Duration::from_hours(1)).await,
            "fails" => return Err(JobError::Retry("the line was busy".into())),
            "panics" => panic!("as it was told to"),
            "fails of what cannot be kept" => {
                return Err(JobError::Reject(
                    "an answer\0with a line\nand a page".repeat(200).into(),
                ));
            }
            "is rejected" => return Err(JobError::Reject("it makes no sense".into())),
            _ => {}
        }
        Ok(Done::Now)
    }
}

pub(super) struct Working {
    pub(super) bench: Bench,
    pub(super) script: Arc<Script>,
    pub(super) worker: JobWorker,
    tasks: JobTasks,
}

pub(super) const SETTINGS: QueueSettings = QueueSettings {
    concurrency: 5,
    retry: Retry {
        attempts: 3,
        first: Duration::from_millis(20),
        most: Duration::from_millis(50),
    },
    timeout: Duration::from_secs(30),
};

impl Working {
    /// Works on the queue of the tests; looks by itself so often.
    pub(super) async fn on(database: &TestDatabase, settings: QueueSettings, sweep_every: Duration) -> Self {
        let signal = JobSignal::default();
        let bench = Bench::hearing(database, vec![Arc::new(signal.clone())]).await;
        let script = Arc::new(Script::default());
        let actor = |kind| -> Arc<dyn JobHandler> {
            Arc::new(Actor {
                kind,
                script: Arc::clone(&script),
            })
        };
        let worker = JobWorker::new(JobWorkerParts {
            store: bench.system.clone(),
            handlers: KINDS.map(actor).into(),
            queues: vec![(QUEUE, settings)],
            signal,
            name: "a worker of a test".to_owned(),
            lease: LEASE,
            sweep_every,
            scheduler: Some(SchedulerParts {
                schedules: bench.system.clone(),
                calendar: Arc::new(ZonedCalendar),
                own: Vec::new(),
            }),
        });
        let tasks = worker.spawn();
        Self {
            bench,
            script,
            worker,
            tasks,
        }
    }

    fn report(&self) -> QueueReport {
        self.worker.report().queues[0].1
    }

    async fn until(&self, what: &str, condition: impl Fn(QueueReport) -> bool) {
        wait_until(what, async || condition(self.report())).await;
    }
}

const NEVER: Duration = Duration::from_hours(1);
const SOON: Duration = Duration::from_millis(50);

#[tokio::test]
async fn it_is_told_how_long_jobs_had_been_due_when_they_were_begun() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    fill(&mut superuser, tenant(1), 2, "quick").await;
    superuser
        .execute("UPDATE jobs SET run_at = run_at - interval '20 seconds'")
        .await
        .unwrap();

    let working = Working::on(&database, SETTINGS, SOON).await;

    working
        .until("both are done", |report| report.completed == 2)
        .await;
    let waits = working.report().waits;
    let place = Waits::BOUNDS.partition_point(|bound| *bound < Duration::from_secs(20));
    assert_eq!(waits.counts[place], 2, "{waits:?}");
    assert!(
        (Duration::from_secs(40)..Duration::from_mins(1)).contains(&waits.sum),
        "{waits:?}"
    );
}

#[tokio::test]
async fn a_commit_wakes_the_worker_of_its_process() {
    let database = TestDatabase::create().await;
    let working = Working::on(&database, SETTINGS, NEVER).await;

    // More than it does at once: each that leaves makes room for the next.
    working
        .bench
        .enqueue(tenant(1), (0..30).map(|_| job("quick")))
        .await;

    working
        .until("all are done", |report| report.completed == 30)
        .await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    assert_eq!(
        count(&mut superuser, "state = 'completed' AND attempts = 1").await,
        30
    );
}

#[tokio::test]
async fn a_process_with_more_jobs_than_it_can_do_wakes_the_others() {
    let database = TestDatabase::create().await;
    let one = Working::on(&database, SETTINGS, NEVER).await;
    let other = Working::on(&database, SETTINGS, NEVER).await;
    // Once it was heard of, so that it listens.
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    wait_until("both listen", async || listening(&mut superuser).await == 2).await;

    let jobs = |number| (tenant(number), (0..4).map(|_| job("takes long")));
    for number in 1..=3 {
        let (tenant, jobs) = jobs(number);
        one.bench.enqueue(tenant, jobs).await;
    }

    one.until("one has its hands full", |report| report.active == 5)
        .await;
    other.until("the other helps", |report| report.active == 5).await;
}

#[tokio::test]
async fn what_fails_is_tried_as_often_as_its_queue_says() {
    let database = TestDatabase::create().await;
    let settings = QueueSettings {
        timeout: Duration::from_millis(100),
        ..SETTINGS
    };
    let working = Working::on(&database, settings, SOON).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;

    let kinds = ["fails", "panics", "takes long", "is rejected"];
    working.bench.enqueue(tenant(1), kinds.map(job)).await;
    working.until("all are given up", |report| report.dead == 4).await;

    for (kind, attempts, fault) in [
        ("fails", 3, "the job could not be done now: the line was busy"),
        (
            "panics",
            3,
            "the job could not be done now: it panicked; the log says where",
        ),
        (
            "takes long",
            3,
            "the job could not be done now: it took longer than 100 ms",
        ),
        ("is rejected", 1, "the job cannot be done: it makes no sense"),
    ] {
        assert_eq!(working.script.begun(kind), attempts, "{kind}");
        let dead =
            format!("kind = '{kind}' AND state = 'dead' AND attempts = {attempts} AND fault = '{fault}'");
        assert_eq!(count(&mut superuser, &dead).await, 1, "{kind}");
    }
    assert_eq!(working.report().retried, 6);
}

#[tokio::test]
async fn a_fault_that_cannot_be_kept_as_it_is_costs_no_place() {
    let database = TestDatabase::create().await;
    let working = Working::on(&database, SETTINGS, SOON).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;

    working
        .bench
        .enqueue(tenant(1), [job("fails of what cannot be kept")])
        .await;
    working.until("it is given up", |report| report.dead == 1).await;

    let kept =
        "fault LIKE 'the job cannot be done: an answer with a line and a page%' AND length(fault) = 2000";
    assert_eq!(count(&mut superuser, kept).await, 1);
    assert_eq!(working.report().active, 0);
}

#[tokio::test]
async fn a_tenant_has_no_chores_of_the_platform_done() {
    let database = TestDatabase::create().await;
    let working = Working::on(&database, SETTINGS, SOON).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;

    working.bench.enqueue(tenant(1), [job(CHORE)]).await;
    wait_until("it is given up", async || {
        count(&mut superuser, "state = 'dead'").await == 1
    })
    .await;

    assert_eq!(working.script.begun(CHORE), 0);
    working.until("it is counted", |report| report.dead == 1).await;
}

#[tokio::test]
async fn what_one_tenant_leaves_of_its_share_is_for_those_who_have_more() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    fill(&mut superuser, tenant(1), 1, "takes long").await;
    fill(&mut superuser, tenant(2), 100, "takes long").await;
    let settings = QueueSettings {
        concurrency: 5,
        ..SETTINGS
    };

    let working = Working::on(&database, settings, NEVER).await;

    working
        .until("no place is left", |report| report.active == 5)
        .await;
}

#[tokio::test]
async fn a_job_of_a_kind_that_is_not_known_is_left_to_others() {
    let database = TestDatabase::create().await;
    let working = Working::on(&database, SETTINGS, SOON).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;

    working
        .bench
        .enqueue(tenant(1), [job("of a newer release")])
        .await;

    wait_until("it is given back", async || {
        count(&mut superuser, "state = 'delayed' AND attempts = 0 AND fence = 1").await == 1
    })
    .await;
}

#[tokio::test]
async fn a_tenant_with_a_hundred_thousand_jobs_keeps_nobody_waiting() {
    let database = TestDatabase::create().await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    fill(&mut superuser, tenant(1), 100_000, "takes 20 ms").await;
    let working = Working::on(&database, SETTINGS, SOON).await;
    working
        .until("the first tenant's are being done", |report| {
            report.completed > 20
        })
        .await;

    let enqueued = Instant::now();
    working.bench.enqueue(tenant(2), [job("quick")]).await;
    wait_until("the second tenant's is begun", async || {
        working.script.begun("quick") == 1
    })
    .await;
    let waited = enqueued.elapsed();

    println!("beside 100,000 jobs of another tenant a job was begun after {waited:?}");
    assert!(waited < Duration::from_secs(2), "{waited:?}");
    let waiting = count(&mut superuser, "state = 'waiting'").await;
    assert!(waiting > 90_000, "{waiting}");
}

#[tokio::test]
async fn a_tenant_whose_jobs_take_long_leaves_a_place_to_others() {
    let database = TestDatabase::create().await;
    let working = Working::on(&database, SETTINGS, NEVER).await;
    working
        .bench
        .enqueue(tenant(1), (0..50).map(|_| job("takes long")))
        .await;
    working
        .until("it has what it may", |report| report.active == 4)
        .await;

    working.bench.enqueue(tenant(2), [job("quick")]).await;

    working
        .until("the other's is done", |report| report.completed == 1)
        .await;
    assert_eq!(working.report().active, 4);
}

#[tokio::test]
async fn a_worker_that_stops_finishes_what_it_can_and_gives_the_rest_back() {
    let database = TestDatabase::create().await;
    let settings = QueueSettings {
        concurrency: 3,
        ..SETTINGS
    };
    let working = Working::on(&database, settings, NEVER).await;
    working.bench.enqueue(tenant(1), [job("takes long")]).await;
    working
        .until("the long one is begun", |report| report.active == 1)
        .await;
    working
        .bench
        .enqueue(tenant(1), (0..40).map(|_| job("takes 20 ms")))
        .await;
    working
        .until("the others are being done", |report| report.completed > 2)
        .await;

    working.tasks.stop(Duration::from_secs(3)).await;

    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    assert_eq!(count(&mut superuser, "state = 'active'").await, 0);
    let given_back = "kind = 'takes long' AND state = 'waiting' AND attempts = 0";
    assert_eq!(count(&mut superuser, given_back).await, 1);
    let ended = count(&mut superuser, "state = 'completed'").await;
    assert_eq!(
        usize::try_from(ended).unwrap(),
        working.script.begun("takes 20 ms"),
        "one was cut off that had time"
    );
}
