//! What this process has done.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fairlead_domain::jobs::{JobsReport, Queue, QueueReport};

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ended {
    Completed,
    Retried,
    Dead,
    Lost,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    of_queues: [OfQueue; Queue::ALL.len()],
    pub(super) rescued: AtomicU64,
}

#[derive(Debug, Default)]
struct OfQueue {
    completed: AtomicU64,
    retried: AtomicU64,
    dead: AtomicU64,
    lost: AtomicU64,
    busy_micros: AtomicU64,
}

impl Counts {
    pub(super) fn note(&self, queue: Queue, ended: Ended, took: Duration) {
        let counts = &self.of_queues[queue as usize];
        let count = match ended {
            Ended::Completed => &counts.completed,
            Ended::Retried => &counts.retried,
            Ended::Dead => &counts.dead,
            Ended::Lost => &counts.lost,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        counts.busy_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Of an attempt that was cut off, which does not tell of itself.
    pub(super) fn note_lost(&self, queue: Queue) {
        self.of_queues[queue as usize]
            .lost
            .fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn report(&self, active: impl Iterator<Item = (Queue, usize)>) -> JobsReport {
        let report = |(queue, active): (Queue, usize)| {
            let counts = &self.of_queues[queue as usize];
            let report = QueueReport {
                active: active as u64,
                completed: counts.completed.load(Ordering::Relaxed),
                retried: counts.retried.load(Ordering::Relaxed),
                dead: counts.dead.load(Ordering::Relaxed),
                lost: counts.lost.load(Ordering::Relaxed),
                busy: Duration::from_micros(counts.busy_micros.load(Ordering::Relaxed)),
            };
            (queue, report)
        };
        JobsReport {
            queues: active.map(report).collect(),
            rescued: self.rescued.load(Ordering::Relaxed),
        }
    }
}
