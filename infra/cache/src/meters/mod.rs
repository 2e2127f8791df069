//! What the cache does, counted in constant memory.

mod histogram;
mod tenant;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fairlead_domain::cache::{Namespace, Tag};
use moka::notification::RemovalCause;

pub(crate) use histogram::Histogram;
pub(crate) use tenant::TenantMeter;

/// The operations whose times are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    MemoryRead,
    SharedRead,
    SharedWrite,
    Load,
    Bump,
}

impl Operation {
    pub(crate) const ALL: [Self; 5] = [
        Self::MemoryRead,
        Self::SharedRead,
        Self::SharedWrite,
        Self::Load,
        Self::Bump,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::MemoryRead => "memory_read",
            Self::SharedRead => "shared_read",
            Self::SharedWrite => "shared_write",
            Self::Load => "load",
            Self::Bump => "bump",
        }
    }
}

/// What became of a request for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    MemoryHit,
    SharedHit,
    Stale,
    Degraded,
    Loaded,
    /// It waited for the load of another request.
    Joined,
    Failed,
}

impl Outcome {
    pub(crate) const COUNT: usize = 7;
}

/// Counts by [`Outcome`]. Counters order nothing, hence `Relaxed` throughout.
#[derive(Debug, Default)]
pub(crate) struct Outcomes([AtomicU64; Outcome::COUNT]);

impl Outcomes {
    pub(crate) fn note(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, other: &Self) {
        for (mine, theirs) in self.0.iter().zip(&other.0) {
            mine.fetch_add(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Meters {
    by_namespace: [Outcomes; Namespace::ALL.len()],
    /// Bumps by [`Tag::kind`].
    bumps: [AtomicU64; Tag::KINDS.len()],
    times: [Histogram; Operation::ALL.len()],
    pub(crate) evictions: Evictions,
    /// Loads that were not kept because something they depend on changed meanwhile.
    pub(crate) refused_fills: AtomicU64,
}

/// Why answers left memory.
#[derive(Debug, Default)]
pub(crate) struct Evictions {
    pub(crate) expired: AtomicU64,
    pub(crate) for_room: AtomicU64,
    pub(crate) replaced: AtomicU64,
    pub(crate) removed: AtomicU64,
}

impl Meters {
    pub(crate) fn note(&self, namespace: Namespace, tenant: &TenantMeter, outcome: Outcome) {
        self.by_namespace[namespace.index()].note(outcome);
        tenant.outcomes.note(outcome);
    }

    pub(crate) fn note_time(&self, operation: Operation, time: Duration) {
        self.times[operation as usize].note(time);
    }

    pub(crate) fn note_bump(&self, tag: Tag) {
        self.bumps[tag.kind()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_removal(&self, cause: RemovalCause) {
        let counter = match cause {
            RemovalCause::Expired => &self.evictions.expired,
            RemovalCause::Size => &self.evictions.for_room,
            RemovalCause::Replaced => &self.evictions.replaced,
            RemovalCause::Explicit => &self.evictions.removed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn of_namespace(&self, namespace: Namespace) -> &Outcomes {
        &self.by_namespace[namespace.index()]
    }

    pub(crate) fn bumps_of_kind(&self, kind: usize) -> u64 {
        self.bumps[kind].load(Ordering::Relaxed)
    }

    pub(crate) fn times(&self, operation: Operation) -> &Histogram {
        &self.times[operation as usize]
    }
}
