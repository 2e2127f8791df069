use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Tells how the deliveries of this process fare.
pub trait WebhooksMonitor: Debug + Send + Sync {
    fn report(&self) -> WebhooksReport;
}

/// What this process has done, since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhooksReport {
    /// Attempts that the receiver has taken.
    pub succeeded: u64,
    /// Attempts that failed; the deliveries come again.
    pub retried: u64,
    /// Deliveries that were given up.
    pub failed: u64,
    /// Deliveries whose webhook was disabled when their turn came.
    pub canceled: u64,
    /// Webhooks that were disabled.
    pub disabled: u64,
    /// How long attempts took, from the lookup of the name to the answer.
    pub attempts: Times,
    /// How long events waited from when they happened to their first attempt; replays and pings apart.
    pub waits: Times,
}

/// How many took how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// How many took no longer than each of [`WebhookMeters::BOUNDS`], none of them twice, and how many took longer.
    pub counts: [u64; WebhookMeters::BOUNDS.len() + 1],
    pub sum: Duration,
}

/// Counts what this process does.
#[derive(Debug, Default)]
pub struct WebhookMeters {
    pub(super) succeeded: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) canceled: AtomicU64,
    pub(super) disabled: AtomicU64,
    pub(super) attempts: Clocked,
    pub(super) waits: Clocked,
}

#[derive(Debug, Default)]
pub(super) struct Clocked {
    counts: [AtomicU64; WebhookMeters::BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl WebhookMeters {
    pub const BOUNDS: [Duration; 10] = [
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_millis(2_500),
        Duration::from_secs(5),
        Duration::from_secs(15),
        Duration::from_mins(1),
        Duration::from_mins(5),
    ];
}

impl Clocked {
    pub(super) fn note(&self, took: Duration) {
        let place = WebhookMeters::BOUNDS.partition_point(|bound| *bound < took);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn report(&self) -> Times {
        Times {
            counts: std::array::from_fn(|place| self.counts[place].load(Ordering::Relaxed)),
            sum: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
        }
    }
}

impl WebhooksMonitor for WebhookMeters {
    fn report(&self) -> WebhooksReport {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WebhooksReport {
            succeeded: count(&self.succeeded),
            retried: count(&self.retried),
            failed: count(&self.failed),
            canceled: count(&self.canceled),
            disabled: count(&self.disabled),
            attempts: self.attempts.report(),
            waits: self.waits.report(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_where_it_is_not_over_the_bound() {
        let clocked = Clocked::default();

        for took in [50, 51, 300_000, 300_001] {
            clocked.note(Duration::from_millis(took));
        }

        let Times { counts, sum } = clocked.report();
        assert_eq!(counts, [1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(sum, Duration::from_millis(600_102));
    }
}
