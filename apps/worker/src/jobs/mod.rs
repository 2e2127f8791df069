//! Works jobs off.
//!
//! Each queue has a loop that claims as many jobs as it has room for (`queue`); each attempt is a task of its own
//! (`attempt`). While attempts are under way their claims are extended (`heartbeat`), so those of a process that is gone
//! lapse, and whoever looks next puts the jobs back (`sweep`). Those of schedules are enqueued (`scheduler`). Loops are
//! woken by the commits of their own process at once, by other processes that have more than they can do, and by the
//! sweep otherwise (`wake`).

mod attempt;
mod calendar;
mod counts;
mod hand;
mod heartbeat;
mod queue;
mod scheduler;
mod sweep;
mod wake;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::identity::TenantId;
use fairlead_domain::jobs::{JobHandler, JobStore, JobsMonitor, JobsReport, Queue, QueueSettings};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

pub use calendar::ZonedCalendar;
use counts::Counts;
use hand::Hand;
pub use scheduler::SchedulerParts;
pub use wake::JobSignal;

use crate::CommitSignal;
use crate::backoff::Backoff;
use crate::supervised;

/// Between two tries while the database does not answer.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(5),
};

/// What a worker of jobs takes from outside.
#[derive(Clone, Debug)]
pub struct JobWorkerParts {
    pub store: Arc<dyn JobStore>,
    /// Each of another kind.
    pub handlers: Vec<Arc<dyn JobHandler>>,
    pub queues: Vec<(Queue, QueueSettings)>,
    /// Hears of the commits of this process.
    pub signal: JobSignal,
    /// Names this process, for those who look.
    pub name: String,
    /// How long a job is claimed; it is extended three times as often.
    pub lease: Duration,
    /// How often it is looked what nobody told of.
    pub sweep_every: Duration,
    /// `None`: schedules are others' to fire.
    pub scheduler: Option<SchedulerParts>,
}

/// What all tasks of a worker share.
struct Shared {
    store: Arc<dyn JobStore>,
    handlers: HashMap<&'static str, Arc<dyn JobHandler>>,
    /// How often jobs of kinds are tried that have it otherwise than their queue.
    attempts_of: Vec<(&'static str, u32)>,
    lanes: Vec<Lane>,
    signal: JobSignal,
    /// Wakes whoever tells other processes.
    others: CommitSignal,
    name: String,
    lease: Duration,
    sweep_every: Duration,
    scheduler: Option<SchedulerParts>,
    counts: Counts,
    /// Whether no job is to be begun any more.
    stops: watch::Sender<bool>,
}

/// A queue in this process.
struct Lane {
    queue: Queue,
    settings: QueueSettings,
    hand: Arc<Hand>,
}

/// A worker of jobs. Its clones are the same one.
#[derive(Clone)]
pub struct JobWorker {
    shared: Arc<Shared>,
}

/// The tasks of a worker.
#[derive(Debug)]
pub struct JobTasks {
    worker: JobWorker,
    /// They end by themselves when the worker stops.
    loops: Vec<JoinHandle<()>>,
    others: Vec<JoinHandle<()>>,
}

impl JobWorker {
    pub fn new(parts: JobWorkerParts) -> Self {
        let attempts = |handler: &Arc<dyn JobHandler>| Some((handler.kind(), handler.retry()?.attempts));
        let lane = |(queue, settings)| Lane {
            queue,
            settings,
            hand: Arc::default(),
        };
        Self {
            shared: Arc::new(Shared {
                store: parts.store,
                attempts_of: parts.handlers.iter().filter_map(attempts).collect(),
                handlers: parts
                    .handlers
                    .into_iter()
                    .map(|handler| (handler.kind(), handler))
                    .collect(),
                lanes: parts.queues.into_iter().map(lane).collect(),
                signal: parts.signal,
                others: CommitSignal::default(),
                name: parts.name,
                lease: parts.lease,
                sweep_every: parts.sweep_every,
                scheduler: parts.scheduler,
                counts: Counts::default(),
                stops: watch::Sender::new(false),
            }),
        }
    }

    /// Begins to work.
    pub fn spawn(&self) -> JobTasks {
        let shared = &self.shared;
        let lanes = shared.lanes.iter().enumerate();
        let loops = lanes
            .map(|(number, lane)| {
                supervised(&self.shared, lane.queue.as_str(), move |shared| {
                    queue::work(shared, number)
                })
            })
            .collect();
        // Also where all jobs are left to others: they are told of what is enqueued here.
        let mut others = vec![supervised(&self.shared, "tell-of-jobs", wake::tell_others)];
        if shared.lanes.iter().any(|lane| lane.settings.concurrency > 0) {
            others.push(supervised(
                &self.shared,
                "extend-claims",
                heartbeat::extend_claims,
            ));
            others.push(supervised(&self.shared, "sweep-jobs", sweep::sweep_again));
            others.push(supervised(&self.shared, "hear-of-jobs", wake::hear_others));
        }
        if shared.scheduler.is_some() {
            others.push(supervised(&self.shared, "fire-schedules", scheduler::fire_again));
        }
        JobTasks {
            worker: self.clone(),
            loops,
            others,
        }
    }
}

impl JobTasks {
    /// Begins no more jobs. Those under way go on.
    pub fn close(&self) {
        let shared = &self.worker.shared;
        shared.stops.send_replace(true);
        for handler in shared.handlers.values() {
            handler.close();
        }
    }

    /// Begins no more jobs, waits until those under way have ended, and gives back what has not after `limit`.
    pub async fn stop(self, limit: Duration) {
        self.close();
        let deadline = Instant::now() + limit;
        let shared = &self.worker.shared;
        for mut task in self.loops {
            match timeout_at(deadline, &mut task).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => tracing::error!("a queue's loop has panicked"),
                // It waits for the database. What it claims all the same lapses.
                Err(_) => task.abort(),
            }
        }
        for lane in &shared.lanes {
            if timeout_at(deadline, lane.hand.emptied()).await.is_err() {
                attempt::give_back_all(shared, lane).await;
            }
        }
        for task in self.others {
            task.abort();
            // It was cut off, or ended before.
            let _ = task.await;
        }
    }
}

impl JobsMonitor for JobWorker {
    fn report(&self) -> JobsReport {
        let shared = &self.shared;
        shared
            .counts
            .report(shared.lanes.iter().map(|lane| (lane.queue, lane.hand.len())))
    }

    fn take_time_by_tenant(&self) -> HashMap<TenantId, Duration> {
        self.shared.counts.take_time_by_tenant()
    }
}

impl fmt::Debug for JobWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobWorker")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}
