//! Who works jobs off, and what the platform has done by them.

use std::sync::Arc;

use anyhow::Context as _;
use fairlead_api::{JobServices, LeadFileWriter};
use fairlead_cache::Warmer;
use fairlead_domain::clock::Clock;
use fairlead_domain::events::EventArchive;
use fairlead_domain::jobs::{
    JobHandler, Missed, NewJob, Overlap, Queue, QueueSettings, Retry, Schedule, Timing,
};
use fairlead_domain::marketing::SubscribeLead;
use fairlead_postgres::{Chore, PgEventMonths, PgMaintainer, PgQueryPlans, Retention};
use fairlead_worker::{ActParts, JobSignal, JobWorker, JobWorkerParts, SchedulerParts, ZonedCalendar};

use super::upstreams::Called;
use super::webhooks::Webhooks;
use super::{alerts, billing, events};
use crate::archive::FileArchive;
use crate::config::{Config, QueueConfig, Role};
use crate::database::Database;
use crate::stores::Stores;

/// All who do jobs.
pub(super) fn handlers(
    config: &Config,
    stores: &Stores,
    clock: &Arc<dyn Clock>,
    webhooks: &Webhooks,
    called: &Called,
    warmer: Option<Arc<Warmer>>,
    database: &Database,
) -> anyhow::Result<Vec<Arc<dyn JobHandler>>> {
    let retention = Retention {
        events: config.events.retention(),
        completed_jobs: config.jobs.completed_retention.unsigned_abs(),
        dead_jobs: config.jobs.dead_retention.unsigned_abs(),
        webhook_deliveries: config.webhooks.delivery_retention(),
    };
    let archive = event_archive(config);
    let mut handlers = stores.system.maintenance(retention, archive.as_ref());
    let pause = config.jobs.imports.backoff;
    handlers.push(fairlead_worker::imports(stores.store.clone(), pause));
    handlers.push(fairlead_worker::exports(
        stores.store.clone(),
        Arc::new(LeadFileWriter),
        pause,
    ));
    handlers.push(fairlead_worker::scorings(
        stores.store.clone(),
        called.asker.clone(),
        config.jobs.lead_processing.backoff,
    ));
    handlers.push(fairlead_worker::handle_events(
        stores.store.clone(),
        events::consumers(stores),
    ));
    handlers.extend(webhooks.handlers(stores, settings(&config.jobs.webhooks).retry));
    let retry = settings(&config.jobs.integrations).retry;
    handlers.extend(billing::handlers(config, stores, clock, called, retry));
    handlers.extend(called.mailing_list.clone().map(|list| {
        let store = stores.store.clone();
        Arc::new(SubscribeLead::new(store, Arc::new(list))) as Arc<dyn JobHandler>
    }));
    handlers.extend(warmer.map(|warmer| fairlead_worker::warm_cache(warmer)));
    handlers.extend(alerts::handler(config, clock, webhooks)?);
    handlers.extend(acts(config, stores, database)?);
    Ok(handlers)
}

fn event_archive(config: &Config) -> Option<Arc<dyn EventArchive>> {
    let directory = config.events.archive_dir.clone()?;
    Some(Arc::new(FileArchive::new(directory)))
}

pub(super) fn event_months(config: &Config, stores: &Stores) -> PgEventMonths {
    PgEventMonths::new(stores.system.clone(), event_archive(config))
}

/// Who does what the owner of the tables alone may.
fn acts(config: &Config, stores: &Stores, database: &Database) -> anyhow::Result<[Arc<dyn JobHandler>; 2]> {
    let owner = database.urls().owner.expose();
    let maintainer = PgMaintainer::new(owner).context("cannot connect as the owner of the tables")?;
    let parts = ActParts {
        store: stores.system.clone(),
        maintainer: Arc::new(maintainer),
        catalog: stores.system.clone(),
        plans: Arc::new(PgQueryPlans::new(stores.cluster.clone())),
        statements: stores.cluster.clone(),
        months: Arc::new(event_months(config, stores)),
        watch: config.performance.acts.watch,
    };
    let upkeep = fairlead_worker::upkeep(stores.system.clone(), stores.system.clone());
    Ok([fairlead_worker::acts(parts), upkeep])
}

/// What operators do about jobs.
pub(super) fn services(stores: &Stores, handlers: &[Arc<dyn JobHandler>]) -> JobServices {
    let mut kinds: Vec<_> = handlers.iter().map(|handler| handler.kind()).collect();
    kinds.sort_unstable();
    let of_platform = handlers.iter().filter(|handler| handler.is_of_platform());
    JobServices {
        operations: stores.system.clone(),
        schedules: stores.system.clone(),
        calendar: Arc::new(ZonedCalendar),
        schedulable: of_platform.cloned().collect(),
        kinds: kinds.into(),
    }
}

/// Makes the worker of this process, which others know by `name`. Without the role it does no jobs, and tells others of
/// those that are enqueued here.
pub(super) fn worker(
    config: &Config,
    stores: &Stores,
    signal: JobSignal,
    clock: &dyn Clock,
    handlers: Vec<Arc<dyn JobHandler>>,
    name: String,
) -> JobWorker {
    JobWorker::new(JobWorkerParts {
        store: stores.system.clone(),
        handlers,
        queues: Queue::ALL
            .map(|queue| (queue, settings_here(config, queue)))
            .into(),
        signal,
        name,
        lease: config.jobs.lease,
        sweep_every: config.jobs.sweep,
        scheduler: config.roles.has(Role::Scheduler).then(|| SchedulerParts {
            schedules: stores.system.clone(),
            calendar: Arc::new(ZonedCalendar),
            own: schedules(config, clock),
        }),
    })
}

fn settings_here(config: &Config, queue: Queue) -> QueueSettings {
    let mut settings = settings(config.jobs.queue(queue));
    if !config.roles.has(Role::Worker) {
        settings.concurrency = 0;
    }
    settings
}

pub(super) fn settings(config: &QueueConfig) -> QueueSettings {
    QueueSettings {
        concurrency: config.concurrency,
        retry: Retry {
            attempts: config.attempts,
            first: config.backoff,
            most: config.max_backoff,
        },
        timeout: config.timeout,
    }
}

/// The chores of the platform, each once an hour, and not all at once; and when usage is reported.
fn schedules(config: &Config, clock: &dyn Clock) -> Vec<Schedule> {
    let minute = |chore: Chore| match chore {
        Chore::ClearExpired => Some(7),
        Chore::MakePartitions => Some(17),
        Chore::DropOldEvents => config.events.retention().map(|_| 37),
        Chore::ClearJobs => Some(47),
        Chore::ClearOperations => Some(57),
        Chore::ClearWebhookDeliveries => Some(27),
        Chore::ThinSamples => Some(2),
    };
    let schedule = |chore: Chore| {
        let job = NewJob::new(Queue::Maintenance, chore.as_str(), &());
        Some(Schedule {
            name: chore.as_str().to_owned(),
            queue: job.queue,
            kind: job.kind.to_owned(),
            payload: job.payload,
            timing: Timing {
                cron: format!("{} * * * *", minute(chore)?),
                time_zone: "UTC".to_owned(),
            },
            missed: Missed::Once,
            overlap: Overlap::Skip,
            created_by: "system".to_owned(),
            next_at: clock.now(),
            last_at: None,
        })
    };
    let chores = Chore::ALL.into_iter().filter_map(schedule);
    chores.chain(billing::schedule(config, clock)).collect()
}
