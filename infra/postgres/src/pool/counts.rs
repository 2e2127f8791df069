use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use fairlead_domain::database::PoolReport;
use fairlead_domain::store::StoreError;

use super::exhaustion::{NoConnection, PoolExhausted, PoolName};
use super::holders::{Held, Holders};
use super::waits::Waits;

/// What is counted of a pool.
#[derive(Debug, Default)]
pub(super) struct Counts {
    holders: Arc<Holders>,
    open: AtomicUsize,
    busy: AtomicUsize,
    waiting: AtomicUsize,
    lent: AtomicU64,
    timeouts: AtomicU64,
    waited_micros: AtomicU64,
    waits: Waits,
}

/// Counts as long as it lives.
#[derive(Debug)]
pub(super) struct Counted(Arc<Counts>, fn(&Counts) -> &AtomicUsize);

impl Counts {
    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// How many connections are open, or being opened.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts one more connection as open for as long as the answer lives; `None` when `most` are.
    pub(super) fn try_open(self: &Arc<Self>, most: usize) -> Option<Counted> {
        let added = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < most).then_some(open + 1)
            });
        added
            .is_ok()
            .then(|| Counted(Arc::clone(self), |counts| &counts.open))
    }

    /// Counts a connection as lent for as long as the answer lives.
    pub(super) fn lend(self: &Arc<Self>) -> Counted {
        Counted::new(self, |counts| &counts.busy)
    }

    /// Counts somebody as waiting for as long as the answer lives.
    pub(super) fn wait(self: &Arc<Self>) -> Counted {
        Counted::new(self, |counts| &counts.waiting)
    }

    pub(super) fn hold(&self) -> Held {
        self.holders.hold()
    }

    /// Takes note of a connection that was lent, after so long a wait.
    pub(super) fn note_lent(&self, waited: Duration) {
        self.waits.note(waited);
        self.lent.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.waited_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Begins a new minute of the figures.
    pub(super) fn turn(&self) {
        self.waits.turn();
    }

    pub(super) fn no_connection(&self, pool: &PoolName) -> StoreError {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
        StoreError::Unavailable(Box::new(NoConnection { pool: pool.clone() }))
    }

    pub(super) fn exhausted(&self, pool: &PoolName, max: u32, waited: Duration) -> StoreError {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
        StoreError::Exhausted(Box::new(PoolExhausted {
            pool: pool.clone(),
            max,
            waited,
            holders: self.holders.list(),
        }))
    }

    /// What was counted; the limits of the pool are for its owner to add.
    pub(super) fn report(&self) -> PoolReport {
        let (open, busy) = (self.open(), self.busy());
        PoolReport {
            open: count(open),
            idle: count(open.saturating_sub(busy)),
            active: count(busy),
            waiting: count(self.waiting.load(Ordering::Relaxed)),
            lent: self.lent.load(Ordering::Relaxed),
            lent_time: self.holders.held_for(),
            wait_time: Duration::from_micros(self.waited_micros.load(Ordering::Relaxed)),
            timeouts: self.timeouts.load(Ordering::Relaxed),
            waits: self.waits.times(),
            holders: self.holders.list(),
            ..PoolReport::default()
        }
    }
}

impl Counted {
    fn new(counts: &Arc<Counts>, which: fn(&Counts) -> &AtomicUsize) -> Self {
        which(counts).fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counts), which)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

/// There are at most as many as `max`, which is no larger.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
