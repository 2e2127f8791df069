//! A worker that cannot reach the database any more lets go of its jobs before another takes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::jobs::{Done, Job, JobError, JobHandler};
use fairlead_worker::{JobSignal, JobTasks, JobWorker, JobWorkerParts};
use support::database::DatabaseRole;
use support::proxy::Proxy;
use support::{TestDatabase, wait_until};
use tokio::time::{Instant, sleep, sleep_until};

use super::bench::{Bench, QUEUE, job, tenant};
use super::worker::SETTINGS;

const KIND: &str = "stays at work";
/// Claims are extended every second.
const LEASE: Duration = Duration::from_secs(3);

/// Counts who is at work, as a service would that the work is done by.
#[derive(Debug, Default)]
struct Service {
    at_work: AtomicUsize,
    most_at_work: AtomicUsize,
    begun: AtomicUsize,
}

/// Of a worker; at work until it is dropped.
#[derive(Debug)]
struct AtWork(Arc<Service>);

impl AtWork {
    fn begin(service: &Arc<Service>) -> Self {
        let at_work = service.at_work.fetch_add(1, Ordering::SeqCst) + 1;
        service.most_at_work.fetch_max(at_work, Ordering::SeqCst);
        service.begun.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(service))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Stays(Arc<Service>);

#[async_trait]
impl JobHandler for Stays {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn run(&self, _: &Job) -> Result<Done, JobError> {
        let _at_work = AtWork::begin(&self.0);
        sleep(Duration::from_hours(1)).await;
        Ok(Done::Now)
    }
}

fn work(bench: &Bench, service: &Arc<Service>, name: &str) -> JobTasks {
    let worker = JobWorker::new(JobWorkerParts {
        store: bench.system.clone(),
        handlers: vec![Arc::new(Stays(Arc::clone(service)))],
        queues: vec![(QUEUE, SETTINGS)],
        signal: JobSignal::default(),
        name: name.to_owned(),
        lease: LEASE,
        sweep_every: Duration::from_millis(50),
        scheduler: None,
    });
    worker.spawn()
}

/// The job is claimed at another moment between two extensions each time: of the claims before it, another one is the
/// last that was heard of.
#[tokio::test]
async fn who_is_cut_off_from_the_database_lets_go_before_another_begins() {
    for claimed_after in [100, 350, 600, 850].map(Duration::from_millis) {
        let database = TestDatabase::create().await;
        let proxy = Proxy::start(&database.url(DatabaseRole::System), "app.current_tenant").await;
        let url = |role| proxy.through(&database.url(role));
        let far = Bench::at(url(DatabaseRole::App), url(DatabaseRole::System), |_| {}).await;
        let near = Bench::on(&database).await;
        let service = Arc::new(Service::default());
        let of_far = work(&far, &service, "far");
        sleep_until(Instant::now() + LEASE / 3 + claimed_after).await;

        near.enqueue(tenant(1), [job(KIND)]).await;
        wait_until("it is begun", async || service.begun.load(Ordering::SeqCst) == 1).await;
        proxy.go_deaf();
        let of_near = work(&near, &service, "near");
        wait_until("another begins it", async || {
            service.begun.load(Ordering::SeqCst) == 2
        })
        .await;

        assert_eq!(
            service.most_at_work.load(Ordering::SeqCst),
            1,
            "{claimed_after:?}"
        );
        drop((of_far, of_near));
    }
}
