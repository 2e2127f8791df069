//! The message edge of Fairlead: what is done about events after the transactions that recorded them.
//!
//! The log of events is the truth, and each consumer has a place in it: all up to there is done. One process reads on
//! behalf of all ([`leader`]) and feeds each consumer from its place on ([`feed`]). Whether an event beyond it was
//! handled stands in the inbox, noted in the transaction that did ([`deliver`]), so it is handled once however often
//! it comes.

mod deliver;
mod feed;
mod leader;
mod report;
mod signal;

use std::fmt;
use std::sync::Arc;

use fairlead_domain::events::{Consumer, EventLog, EventsMonitor, EventsReport};
use fairlead_domain::store::Store;
use tokio::task::JoinHandle;

use deliver::Delivery;
use report::Counts;
pub use signal::CommitSignal;

/// What the worker takes from outside.
#[derive(Clone, Debug)]
pub struct WorkerParts {
    pub log: Arc<dyn EventLog>,
    pub store: Arc<dyn Store>,
    pub consumers: Vec<Arc<dyn Consumer>>,
    /// Hears of the commits of this process.
    pub signal: CommitSignal,
}

/// What all tasks of a worker share.
struct Shared {
    log: Arc<dyn EventLog>,
    delivery: Delivery,
    signal: CommitSignal,
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
                counts,
            }),
        }
    }

    /// Starts the tasks. They end when they are aborted; each may be cut off anywhere, as by a crash.
    pub fn spawn(&self) -> Vec<JoinHandle<()>> {
        vec![
            fairlead_telemetry::spawn(leader::lead(Arc::clone(&self.shared))),
            fairlead_telemetry::spawn(signal::tell_leader(Arc::clone(&self.shared))),
            fairlead_telemetry::spawn(report::watch(Arc::clone(&self.shared))),
        ]
    }
}

impl EventsMonitor for Worker {
    fn report(&self) -> EventsReport {
        self.shared.counts.report()
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("report", &self.report())
            .finish_non_exhaustive()
    }
}
