use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fairlead_domain::cache::{Entry, Tag};

use super::{Account, MemoryKey};
use crate::generations::{Generations, Snapshot};
use crate::meters::{TagMask, WarmMeter, tag_mask};

/// What an answer takes beside its body and key: this struct, the entry, the pool's own bookkeeping.
const OVERHEAD_BYTES: usize = 512;

/// The pool that an answer lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pool {
    /// The tenant's own part.
    Own,
    /// The part all tenants compete for.
    Common,
}

/// How long an answer serves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) loaded_at: Instant,
    /// After this it is loaded anew.
    pub(crate) fresh: Duration,
    /// After `fresh`, how long it is served while that happens or when it fails.
    pub(crate) stale: Duration,
    /// After `fresh`, how long it is served while the database is away.
    pub(crate) outage: Duration,
}

/// An answer in memory, with all that decides whether it may be served.
#[derive(Debug)]
pub(crate) struct Held {
    key: Arc<MemoryKey>,
    entry: Arc<Entry>,
    tags: Box<[Tag]>,
    snapshot: Snapshot,
    /// The shared generations of its tags when it was loaded; `None` when they were not known then.
    proof: Option<Box<str>>,
    /// The epoch in which its tags were last known to be those of `proof`.
    epoch: AtomicU64,
    life: Life,
    /// How long its load took: what each hit saves.
    cost: Duration,
    hits: AtomicU64,
    weight: u32,
    pool: Pool,
    account: Arc<Account>,
    ledger: Option<Arc<WarmMeter>>,
}

/// Whether an answer may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fresh,
    /// Valid as far as its tags go, but its time is over.
    Expired,
    /// Changes may have gone unheard since; the shared level knows.
    Suspect,
    /// A tag was bumped.
    Invalid,
}

#[derive(Debug)]
pub(crate) struct NewHeld {
    pub(crate) key: Arc<MemoryKey>,
    pub(crate) entry: Arc<Entry>,
    pub(crate) tags: Box<[Tag]>,
    pub(crate) snapshot: Snapshot,
    pub(crate) proof: Option<Box<str>>,
    pub(crate) epoch: u64,
    pub(crate) life: Life,
    pub(crate) cost: Duration,
    pub(crate) account: Arc<Account>,
    pub(crate) ledger: Option<Arc<WarmMeter>>,
    /// Bodies from this size on may also be kept compressed.
    pub(crate) compressed_from: usize,
}

impl From<NewHeld> for Held {
    fn from(new: NewHeld) -> Self {
        let body = new.entry.body().len();
        // Compressed forms come later than the weighing, and take no more than the body altogether.
        let compressed = if body < new.compressed_from { 0 } else { body };
        let bytes = OVERHEAD_BYTES
            + body
            + compressed
            + new.key.key.variant().len()
            + new.snapshot.bytes()
            + size_of_val(&*new.tags);
        Self {
            key: new.key,
            entry: new.entry,
            tags: new.tags,
            snapshot: new.snapshot,
            proof: new.proof,
            epoch: AtomicU64::new(new.epoch),
            life: new.life,
            cost: new.cost,
            hits: AtomicU64::new(0),
            weight: u32::try_from(bytes).unwrap_or(u32::MAX),
            pool: Pool::Common,
            account: new.account,
            ledger: new.ledger,
        }
    }
}

impl Held {
    pub(super) fn in_pool(self, pool: Pool) -> Self {
        Self { pool, ..self }
    }

    /// `unheard_ttl` is set while changes made elsewhere are not heard of.
    pub(crate) fn verdict(
        &self,
        now: Instant,
        generations: &Generations,
        epoch: u64,
        unheard_ttl: Option<Duration>,
    ) -> Verdict {
        if !generations.holds(&self.snapshot) {
            return Verdict::Invalid;
        }
        let fresh = unheard_ttl.map_or(self.life.fresh, |limit| limit.min(self.life.fresh));
        if self.age(now) >= fresh {
            Verdict::Expired
        } else if unheard_ttl.is_none() && self.epoch.load(Ordering::Acquire) != epoch {
            Verdict::Suspect
        } else {
            Verdict::Fresh
        }
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.age(now) >= self.life.fresh
    }

    /// Whether its time is over, but not for long: one loads it anew, and others need not wait for that.
    pub(crate) fn is_stale(&self, now: Instant) -> bool {
        self.age(now) < self.life.fresh + self.life.stale
    }

    /// Whether it is better than nothing while the database is away.
    pub(crate) fn outlasts_outage(&self, now: Instant) -> bool {
        self.age(now) < self.life.fresh + self.life.outage.max(self.life.stale)
    }

    pub(crate) fn life_left(&self, now: Instant) -> Duration {
        (self.life.fresh + self.life.stale.max(self.life.outage)).saturating_sub(self.age(now))
    }

    pub(crate) fn fresh_left(&self, now: Instant) -> Duration {
        self.life.fresh.saturating_sub(self.age(now))
    }

    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.life.loaded_at)
    }

    /// Trusts it again: its tags were found unchanged in `epoch`.
    pub(crate) fn vouch(&self, epoch: u64) {
        self.epoch.fetch_max(epoch, Ordering::AcqRel);
    }

    /// Counts a hit; returns how many there have been.
    pub(crate) fn note_hit(&self) -> u64 {
        self.hits.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(crate) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    pub(crate) fn key(&self) -> &Arc<MemoryKey> {
        &self.key
    }

    pub(crate) fn tags(&self) -> TagMask {
        tag_mask(&self.tags)
    }

    /// All its tags, in the order of its snapshot.
    pub(crate) fn tag_names(&self) -> Vec<Box<str>> {
        let key = &self.key.key;
        let implied = [
            Tag::Whole.to_string(),
            key.namespace().to_string(),
            key.to_string(),
        ];
        implied
            .into_iter()
            .chain(self.tags.iter().map(Tag::to_string))
            .map(Into::into)
            .collect()
    }

    pub(crate) fn ledger(&self) -> Option<&WarmMeter> {
        self.ledger.as_deref()
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(crate) fn proof(&self) -> Option<&str> {
        self.proof.as_deref()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn cost(&self) -> Duration {
        self.cost
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight
    }

    pub(crate) fn pool(&self) -> Pool {
        self.pool
    }

    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }
}
