//! What the cache does, counted in constant memory.

mod histogram;
mod hot;
mod keys;
mod tenant;
mod warm;
mod watched;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fairlead_domain::cache::{Namespace, Tag};
use moka::notification::RemovalCause;

pub(crate) use histogram::Histogram;
pub(crate) use hot::Saved;
pub(crate) use keys::Rate;
pub(crate) use tenant::TenantMeter;
pub(crate) use warm::WarmMeter;
pub(crate) use watched::Watched;

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
    /// The same, from the level that processes share.
    SharedStale,
    Degraded,
    Loaded,
    /// It waited for the load of another request.
    Joined,
    Failed,
}

impl Outcome {
    pub(crate) const COUNT: usize = 8;

    /// Whether nobody had to wait for a load.
    pub(crate) fn is_hit(self) -> bool {
        !matches!(self, Self::Loaded | Self::Joined | Self::Failed)
    }
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

/// Kinds of tags as a set of bits: bit `n` is the kind at place `n`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TagMask(u16);

pub(crate) fn tag_mask(tags: &[Tag]) -> TagMask {
    TagMask(tags.iter().fold(0, |mask, tag| mask | 1 << tag.kind()))
}

/// How answers with one kind of tag fare.
#[derive(Debug, Default)]
pub(crate) struct TagMeter {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) bumps: AtomicU64,
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[derive(Debug, Default)]
pub(crate) struct Meters {
    by_namespace: [Outcomes; Namespace::ALL.len()],
    by_tag: [TagMeter; Tag::KINDS.len()],
    /// The keys that save the most.
    pub(crate) hot: Watched<Saved>,
    /// The keys that are asked for most.
    pub(crate) keys: Watched<Rate>,
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
    /// By what was loaded anew.
    pub(crate) replaced: AtomicU64,
    /// Before their time: they had changed, or were gone.
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
        self.by_tag[tag.kind()].bumps.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_removal(&self, cause: RemovalCause) {
        let counter = match cause {
            RemovalCause::Expired => &self.evictions.expired,
            RemovalCause::Size => &self.evictions.for_room,
            RemovalCause::Replaced => &self.evictions.replaced,
            // Whoever takes an answer out counts why.
            RemovalCause::Explicit => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn of_namespace(&self, namespace: Namespace) -> &Outcomes {
        &self.by_namespace[namespace.index()]
    }

    pub(crate) fn note_hit_by_tags(&self, TagMask(mut mask): TagMask) {
        while mask != 0 {
            let kind = mask.trailing_zeros() as usize;
            self.by_tag[kind].hits.fetch_add(1, Ordering::Relaxed);
            mask &= mask - 1;
        }
    }

    pub(crate) fn note_miss_by_tags(&self, TagMask(mask): TagMask) {
        for (kind, meter) in self.by_tag.iter().enumerate() {
            meter
                .misses
                .fetch_add(u64::from(mask >> kind & 1), Ordering::Relaxed);
        }
    }

    /// By [`Tag::kind`].
    pub(crate) fn by_tag(&self) -> &[TagMeter] {
        &self.by_tag
    }

    pub(crate) fn times(&self, operation: Operation) -> &Histogram {
        &self.times[operation as usize]
    }
}
