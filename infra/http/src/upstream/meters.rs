use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fairlead_domain::upstreams::{LastFault, Times, UpstreamFault, UpstreamReport};
use time::OffsetDateTime;

/// How many faults are remembered.
const REMEMBERED: usize = 10;

/// Counts what becomes of the calls to one service.
#[derive(Debug, Default)]
pub(super) struct Meters {
    calls: AtomicU64,
    succeeded: AtomicU64,
    retries: AtomicU64,
    faults: [AtomicU64; UpstreamFault::NAMES.len()],
    attempts: Mutex<Times>,
    last: Mutex<VecDeque<LastFault>>,
}

impl Meters {
    /// Takes note of a call, and of what it comes to: that it was cancelled, unless it says otherwise.
    pub(super) fn note_call(&self) -> NotedCall<'_> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        NotedCall {
            meters: self,
            fault: Some(UpstreamFault::Cancelled),
        }
    }

    pub(super) fn note_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_attempt(&self, took: Duration) {
        self.attempts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .note(took);
    }

    /// Remembers what is wrong with the service. What we did not ask it is not.
    pub(super) fn remember(&self, at: OffsetDateTime, fault: UpstreamFault) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.truncate(REMEMBERED - 1);
        last.push_front(LastFault { at, fault });
    }

    pub(super) fn report_in(&self, report: &mut UpstreamReport) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        report.calls = count(&self.calls);
        report.succeeded = count(&self.succeeded);
        report.retries = count(&self.retries);
        report.faults = std::array::from_fn(|place| count(&self.faults[place]));
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        report.attempts.clone_from(&attempts);
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        report.last_faults = last.iter().copied().collect();
    }
}

/// A call that has been noted.
#[derive(Debug)]
pub(super) struct NotedCall<'a> {
    meters: &'a Meters,
    fault: Option<UpstreamFault>,
}

impl NotedCall<'_> {
    pub(super) fn came_to(mut self, fault: Option<UpstreamFault>) {
        self.fault = fault;
    }
}

impl Drop for NotedCall<'_> {
    fn drop(&mut self) {
        let Meters {
            succeeded, faults, ..
        } = self.meters;
        let counter = self.fault.map_or(succeeded, |fault| &faults[fault.place()]);
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
