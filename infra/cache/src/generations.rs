//! Which tags were bumped, and up to where a load must read for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use fairlead_domain::cache::{CacheKey, Namespace, Tag};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;

use crate::hash::Mixer;

/// A power of two. Two tags that share a slot invalidate each other, which costs a load and harms nobody.
const SLOTS: usize = 1 << 16;
/// Fences are read and raised under a lock, of which there are this many.
const STRIPES: usize = 64;
/// How many commits this process knows to be told here; a power of two.
const SETTLED: usize = 1 << 13;

/// A tag of a tenant, as the processes tell it to each other: 64 bits of a hash that is the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TagHash(pub(crate) u64);

impl TagHash {
    pub(crate) fn of(tenant: TenantId, tag: Tag) -> Self {
        let mixer = Mixer::new(tenant.as_uuid().as_u128());
        Self(mixer.mix(tag.kind() as u64 + 1).mix_wide(tag.id_bits()).finish())
    }

    /// The tag that every answer of a namespace has without saying so.
    pub(crate) fn of_namespace(tenant: TenantId, namespace: Namespace) -> Self {
        let mixer = Mixer::new(tenant.as_uuid().as_u128());
        Self(mixer.mix(1_000 + namespace.index() as u64).finish())
    }

    /// The tag of an answer itself, by which it alone is dropped.
    pub(crate) fn of_key(tenant: TenantId, key: &CacheKey) -> Self {
        let mixer = Mixer::new(tenant.as_uuid().as_u128()).mix(2_000 + key.namespace().index() as u64);
        let words = key.variant().as_bytes().chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        Self(words.fold(mixer, Mixer::mix).finish())
    }

    fn slot(self) -> usize {
        usize::try_from(self.0 & (SLOTS as u64 - 1)).expect("there are fewer slots")
    }
}

/// A generation per tag, and the position of the commit that bumped it last. Of constant size, whatever is cached.
pub(crate) struct Generations {
    counts: Box<[AtomicU64]>,
    fences: Box<[Mutex<Box<[LogPosition]>>]>,
    settled: Box<[AtomicU64]>,
    /// Bumped to invalidate everything at once.
    era: AtomicU64,
}

/// The generations of an answer's tags at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    era: u64,
    slots: Box<[(u32, u64)]>,
}

impl Snapshot {
    /// Roughly what it takes beside itself.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.len() * size_of::<(u32, u64)>()
    }
}

impl Generations {
    pub(crate) fn new() -> Self {
        let zeros = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        let stripe = || Mutex::new(vec![LogPosition::UNKNOWN; SLOTS / STRIPES].into_boxed_slice());
        Self {
            counts: zeros(SLOTS),
            fences: (0..STRIPES).map(|_| stripe()).collect(),
            settled: zeros(SETTLED),
            era: AtomicU64::new(0),
        }
    }

    /// Invalidates what depends on `tags`; what is loaded next must see at least `position`, if it is known.
    pub(crate) fn bump(&self, tags: impl IntoIterator<Item = TagHash>, position: LogPosition) {
        for tag in tags {
            let slot = tag.slot();
            // Invariant: the fence is raised before the generation. Who sees the new generation sees the fence, too.
            if position != LogPosition::UNKNOWN {
                let fence = &mut self.stripe(slot)[slot / STRIPES];
                *fence = fence.latest(position);
            }
            self.counts[slot].fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Invalidates everything.
    pub(crate) fn bump_everything(&self) {
        self.era.fetch_add(1, Ordering::AcqRel);
    }

    /// Reads the generations of `tags`: to be done before the load, and before [`Generations::fence`].
    pub(crate) fn snapshot(&self, tags: impl Iterator<Item = TagHash>) -> Snapshot {
        let era = self.era.load(Ordering::Acquire);
        let slots = tags.map(|tag| {
            let slot = tag.slot();
            let number = u32::try_from(slot).expect("there are fewer slots");
            (number, self.counts[slot].load(Ordering::Acquire))
        });
        Snapshot {
            era,
            slots: slots.collect(),
        }
    }

    /// Whether no tag of the snapshot has been bumped since.
    pub(crate) fn holds(&self, snapshot: &Snapshot) -> bool {
        snapshot.era == self.era.load(Ordering::Acquire)
            && snapshot
                .slots
                .iter()
                .all(|&(slot, generation)| self.now(slot) == generation)
    }

    fn now(&self, slot: u32) -> u64 {
        self.counts[slot as usize].load(Ordering::Acquire)
    }

    /// The generations of a snapshot, and those of now.
    pub(crate) fn compare(&self, snapshot: &Snapshot) -> Vec<(u64, u64)> {
        let slots = snapshot.slots.iter();
        slots
            .map(|&(slot, generation)| (generation, self.now(slot)))
            .collect()
    }

    /// Up to where a load must read that depends on the tags of `snapshot`.
    pub(crate) fn fence(&self, snapshot: &Snapshot) -> LogPosition {
        let fences = snapshot.slots.iter().map(|&(slot, _)| {
            let slot = slot as usize;
            self.stripe(slot)[slot / STRIPES]
        });
        fences.fold(LogPosition::UNKNOWN, LogPosition::latest)
    }

    /// Notes that the bumps of a commit, and all that were told before them, have arrived here.
    pub(crate) fn settle(&self, tenant: TenantId, position: LogPosition) {
        if position.mark == 0 {
            return;
        }
        let hash = commit_hash(tenant, position);
        self.settled[settled_slot(hash)].store(hash, Ordering::Release);
    }

    /// Whether [`Generations::settle`] was called for this commit; `false` also when that is long ago, and when no commit
    /// is meant: two that ended at one place are told one after the other.
    pub(crate) fn has_settled(&self, tenant: TenantId, position: LogPosition) -> bool {
        if position.mark == 0 {
            return false;
        }
        let hash = commit_hash(tenant, position);
        self.settled[settled_slot(hash)].load(Ordering::Acquire) == hash
    }

    /// Neighbouring slots lie in different stripes.
    fn stripe(&self, slot: usize) -> std::sync::MutexGuard<'_, Box<[LogPosition]>> {
        self.fences[slot % STRIPES]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Generations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generations").finish_non_exhaustive()
    }
}

fn commit_hash(tenant: TenantId, position: LogPosition) -> u64 {
    Mixer::new(tenant.as_uuid().as_u128())
        .mix(u64::from(position.timeline))
        .mix(position.lsn)
        .mix(u64::from(position.mark))
        .finish()
        // Zero is the empty slot.
        | 1 << 63
}

fn settled_slot(hash: u64) -> usize {
    usize::try_from(hash & (SETTLED as u64 - 1)).expect("there are fewer slots")
}
