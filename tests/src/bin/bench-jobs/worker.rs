//! The product's worker, with a kind of jobs that does nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use fairlead_domain::jobs::{Done, Job, JobError, JobHandler, Queue, QueueSettings, Retry};
use fairlead_postgres::{Cluster, PgSystemStore};
use fairlead_worker::{JobSignal, JobWorker, JobWorkerParts, SchedulerParts, ZonedCalendar};
use sqlx::{Connection as _, PgConnection};
use support::{store_config, store_parts};
use tokio::time::sleep;

use super::Order;

const KIND: &str = "bench";
/// Tenants that take turns.
const TENANTS: i32 = 20;
/// How often it is looked whether all is done: a small part of what a measurement takes.
const GLANCE: Duration = Duration::from_millis(5);

/// Every tenant's jobs, equally many; due, as those are that a commit has just enqueued.
const FILL: &str = "
    INSERT INTO jobs (tenant_id, id, queue, kind, payload, priority, state)
    SELECT ('01930000-0000-7000-8000-' || lpad(to_hex(n % $2 + 1), 12, '0'))::uuid, gen_random_uuid(), 'lead-processing',
           'bench', 'null', 1, 'waiting'
    FROM generate_series(1, $1) AS n";

#[derive(Debug)]
struct Nothing(Arc<AtomicU32>);

#[async_trait]
impl JobHandler for Nothing {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn run(&self, _: &Job) -> Result<Done, JobError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Done::Now)
    }
}

pub(super) async fn measure(order: &Order) -> Result<Duration> {
    let mut database = PgConnection::connect(&order.system_url).await?;
    sqlx::query("DELETE FROM jobs").execute(&mut database).await?;
    sqlx::query(FILL)
        .bind(i32::try_from(order.count)?)
        .bind(TENANTS)
        .execute(&mut database)
        .await?;
    let mut owner = PgConnection::connect(&order.owner_url).await?;
    sqlx::query("VACUUM ANALYZE jobs").execute(&mut owner).await?;
    let config = store_config(order.app_url.clone(), order.system_url.clone(), order.connections);
    let cluster = Cluster::connect(&config).await.context("cannot connect")?;
    let system = Arc::new(PgSystemStore::new(cluster, &config, store_parts()));
    let done = Arc::new(AtomicU32::new(0));
    let worker = worker(&system, &done, order.connections);

    let started = Instant::now();
    let tasks = worker.spawn();
    while done.load(Ordering::Relaxed) < order.count {
        sleep(GLANCE).await;
    }
    // Now those that were begun last are finished.
    tasks.stop(Duration::from_secs(30)).await;
    let took = started.elapsed();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM jobs WHERE state <> 'completed'")
        .fetch_one(&mut database)
        .await?;
    anyhow::ensure!(left == 0, "{left} jobs were not done");
    Ok(took)
}

fn worker(system: &Arc<PgSystemStore>, done: &Arc<AtomicU32>, connections: u32) -> JobWorker {
    let settings = QueueSettings {
        concurrency: connections as usize,
        retry: Retry {
            attempts: 3,
            first: Duration::from_secs(1),
            most: Duration::from_mins(1),
        },
        timeout: Duration::from_mins(1),
    };
    JobWorker::new(JobWorkerParts {
        store: Arc::clone(system) as _,
        handlers: vec![Arc::new(Nothing(Arc::clone(done)))],
        queues: vec![(Queue::LeadProcessing, settings)],
        signal: JobSignal::default(),
        name: "bench".to_owned(),
        lease: Duration::from_secs(30),
        sweep_every: Duration::from_secs(1),
        scheduler: Some(SchedulerParts {
            schedules: Arc::clone(system) as _,
            calendar: Arc::new(ZonedCalendar),
            own: Vec::new(),
        }),
    })
}
