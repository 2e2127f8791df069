//! A worker of jobs in a process of its own, for tests that kill it or hold it up.
//!
//! `job-worker <url of the application role> <url of the system role> <lease in milliseconds>`

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fairlead_domain::jobs::{Queue, QueueSettings, Retry};
use fairlead_postgres::{Cluster, PgStore, PgSystemStore};
use fairlead_worker::{JobSignal, JobWorker, JobWorkerParts, SchedulerParts, ZonedCalendar};
use support::{Effect, store_config, store_parts};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [app_url, system_url, lease_ms] = <[String; 3]>::try_from(arguments)
        .map_err(|given| anyhow::anyhow!("wants two URLs and a lease, not {given:?}"))?;
    let config = store_config(app_url, system_url, 8);
    let cluster = Cluster::connect(&config).await.context("cannot connect")?;
    let store = Arc::new(PgStore::new(Arc::clone(&cluster), store_parts()));
    let system = Arc::new(PgSystemStore::new(cluster, &config, store_parts()));
    let settings = QueueSettings {
        concurrency: 4,
        retry: Retry {
            attempts: 3,
            first: Duration::from_millis(10),
            most: Duration::from_millis(10),
        },
        timeout: Duration::from_mins(1),
    };
    let worker = JobWorker::new(JobWorkerParts {
        store: system.clone(),
        handlers: vec![Arc::new(Effect { store })],
        queues: vec![(Queue::LeadProcessing, settings)],
        signal: JobSignal::default(),
        name: format!("process {}", std::process::id()),
        lease: Duration::from_millis(lease_ms.parse().context("the lease is no number")?),
        sweep_every: Duration::from_millis(100),
        scheduler: Some(SchedulerParts {
            schedules: system,
            calendar: Arc::new(ZonedCalendar),
            own: Vec::new(),
        }),
    });
    let _tasks = worker.spawn();
    std::future::pending().await
}
