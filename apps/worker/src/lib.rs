//! The message edge of Fairlead: what is done about events after the transactions that recorded them.
//!
//! The log of events is the truth, and each consumer has a place in it: all up to there is done. One process reads on
//! behalf of all (`leader`) and feeds each consumer from its place on (`feed`). Whether an event beyond it was
//! handled stands in the inbox, noted in the transaction that did (`deliver`), so it is handled once however often
//! it comes.
//!
//! Where there is a broker, the process that reads also publishes the log to it (`relay`), the broker spreads the work
//! over all processes (`dispatch`), and what it has not brought after a while is fed from the log all the same.
//!
//! What takes longer, or is due later, is a job ([`JobWorker`]).

mod acts;
mod backoff;
mod deliver;
mod dispatch;
mod exports;
mod fault;
mod feed;
mod imports;
mod jobs;
mod leader;
mod live;
mod looks;
mod operations;
mod put_aside;
mod relay;
mod report;
mod ring;
mod scoring;
mod signal;
mod warm;

use std::fmt;
use std::sync::Arc;

use fairlead_domain::clock::Clock;
use fairlead_domain::events::{Broker, Consumer, EventHandler, EventLog, EventsMonitor, EventsReport};
use fairlead_domain::store::Store;
use tokio::task::JoinHandle;

pub use acts::{ActParts, acts, upkeep};
use deliver::Delivery;
use dispatch::Dispatcher;
pub use exports::exports;
pub use imports::imports;
pub use jobs::{JobSignal, JobTasks, JobWorker, JobWorkerParts, SchedulerParts, ZonedCalendar};
pub use live::{FollowLimits, Live, Observing};
pub use put_aside::handle_events;
use relay::RELAY;
use report::Counts;
pub use scoring::scorings;
pub use signal::CommitSignal;
pub use warm::warm_cache;

/// What the worker takes from outside.
#[derive(Clone, Debug)]
pub struct WorkerParts {
    pub log: Arc<dyn EventLog>,
    pub store: Arc<dyn Store>,
    pub consumers: Vec<Arc<dyn Consumer>>,
    /// Hears of the commits of this process.
    pub signal: CommitSignal,
    /// Those who follow events in this process.
    pub live: Live,
    /// Sees all events, whether anybody follows or not.
    pub observing: Option<Observing>,
    /// `None`: consumers are fed from the log alone.
    pub broker: Option<BrokerParts>,
    pub duties: Duties,
}

/// What this process does of all that is to be done about events.
#[derive(Clone, Copy, Debug)]
pub struct Duties {
    /// It reads the log on behalf of all processes, whenever no other does.
    pub leads: bool,
    /// It handles what a broker delivers.
    pub consumes: bool,
    /// It tells those who follow.
    pub tells: bool,
}

/// A broker that events are published to, and that delivers them to the consumers.
#[derive(Clone, Debug)]
pub struct BrokerParts {
    pub broker: Arc<dyn Broker>,
    pub clock: Arc<dyn Clock>,
    /// Events that are so old and still not handled are handled from the log: the broker is away, or has lost them.
    pub catch_up_after: time::Duration,
    /// Those that are so old are put aside when they fail once more: no broker brings them again.
    pub give_up_after: time::Duration,
}

/// What all tasks of a worker share.
struct Shared {
    log: Arc<dyn EventLog>,
    delivery: Delivery,
    signal: CommitSignal,
    live: Live,
    observing: Option<Observing>,
    broker: Option<BrokerParts>,
    duties: Duties,
    counts: Arc<Counts>,
}

/// A worker at work. Its clones are the same one.
#[derive(Clone)]
pub struct Worker {
    shared: Arc<Shared>,
}

impl Worker {
    pub fn new(parts: WorkerParts) -> Self {
        let counts = Arc::new(Counts::default());
        Self {
            shared: Arc::new(Shared {
                log: parts.log,
                delivery: Delivery::new(parts.store, parts.consumers, Arc::clone(&counts)),
                signal: parts.signal,
                live: parts.live,
                observing: parts.observing,
                broker: parts.broker,
                duties: parts.duties,
                counts,
            }),
        }
    }

    /// Takes what the broker delivers.
    pub fn handler(&self) -> Arc<dyn EventHandler> {
        Arc::new(Dispatcher::new(Arc::clone(&self.shared)))
    }

    /// Starts the tasks. They end when they are aborted; each may be cut off anywhere, as by a crash.
    pub fn spawn(&self) -> Vec<JoinHandle<()>> {
        let Duties { leads, tells, .. } = self.shared.duties;
        let mut tasks = vec![
            supervised(&self.shared, "tell-of-events", signal::tell_others),
            supervised(&self.shared, "watch-readers", report::watch),
        ];
        if leads {
            tasks.push(supervised(&self.shared, "lead-events", leader::lead));
        } else if tells {
            // Who leads or stands by hears of others by the same connection.
            tasks.push(supervised(&self.shared, "hear-of-events", signal::hear_others));
        }
        if tells || self.shared.observing.is_some() {
            tasks.push(supervised(&self.shared, "tell-followers", live::tell));
        }
        tasks
    }
}

/// Starts a task that serves for as long as the process is there, with what it shares with others.
fn supervised<S, F>(
    shared: &Arc<S>,
    name: &'static str,
    task: impl Fn(Arc<S>) -> F + Send + 'static,
) -> JoinHandle<()>
where
    S: Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let shared = Arc::clone(shared);
    fairlead_telemetry::spawn_supervised(name, move || task(Arc::clone(&shared)))
}

impl EventsMonitor for Worker {
    fn report(&self) -> EventsReport {
        let mut report = self.shared.counts.report();
        report.followers = self.shared.live.followers() as u64;
        report.waiting_bytes = self.shared.live.waiting_bytes() as u64;
        if let Some(parts) = &self.shared.broker {
            let Duties { leads, consumes, .. } = self.shared.duties;
            report.link = (leads || consumes).then(|| parts.broker.link());
            // The others leave what is younger to the broker.
            let left = parts.catch_up_after.unsigned_abs();
            for backlog in report
                .backlogs
                .iter_mut()
                .filter(|backlog| backlog.reader != RELAY)
            {
                backlog.oldest = backlog.oldest.and_then(|oldest| oldest.checked_sub(left));
            }
        }
        report
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("report", &self.report())
            .finish_non_exhaustive()
    }
}
