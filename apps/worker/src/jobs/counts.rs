//! What this process has done.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fairlead_domain::identity::TenantId;
use fairlead_domain::jobs::{JobsReport, Queue, QueueReport, Waits};

/// How many tenants are counted one by one until it is asked what they took.
const MOST_TENANTS: usize = 10_000;

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
    of_tenants: Mutex<HashMap<TenantId, Duration>>,
}

#[derive(Debug, Default)]
struct OfQueue {
    completed: AtomicU64,
    retried: AtomicU64,
    dead: AtomicU64,
    lost: AtomicU64,
    busy_micros: AtomicU64,
    waits: [AtomicU64; Waits::BOUNDS.len() + 1],
    waited_micros: AtomicU64,
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
        counts.busy_micros.fetch_add(micros(took), Ordering::Relaxed);
    }

    /// Of a job that is begun.
    pub(super) fn note_wait(&self, queue: Queue, waited: Duration) {
        let counts = &self.of_queues[queue as usize];
        let place = Waits::BOUNDS.partition_point(|bound| *bound < waited);
        counts.waits[place].fetch_add(1, Ordering::Relaxed);
        counts.waited_micros.fetch_add(micros(waited), Ordering::Relaxed);
    }

    /// How long a job of a tenant was worked on; of more tenants than are counted, it is not known.
    pub(super) fn note_tenant(&self, tenant: TenantId, took: Duration) {
        let mut tenants = self.of_tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() < MOST_TENANTS || tenants.contains_key(&tenant) {
            *tenants.entry(tenant).or_default() += took;
        }
    }

    /// Since it was last asked for.
    pub(super) fn take_time_by_tenant(&self) -> HashMap<TenantId, Duration> {
        let mut tenants = self.of_tenants.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut tenants)
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
                waits: Waits {
                    counts: std::array::from_fn(|place| counts.waits[place].load(Ordering::Relaxed)),
                    sum: Duration::from_micros(counts.waited_micros.load(Ordering::Relaxed)),
                },
            };
            (queue, report)
        };
        JobsReport {
            queues: active.map(report).collect(),
            rescued: self.rescued.load(Ordering::Relaxed),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
