//! One load per key at a time.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use fairlead_domain::cache::{Found, LoadFailure};
use fairlead_domain::consistency::Consistency;
use tokio::sync::watch;

use crate::cache::LoaderLost;
use crate::generations::Snapshot;
use crate::memory::{MemoryKey, MemoryKeyRef};
use crate::meters::WarmMeter;

const SHARDS: usize = 32;

/// What a load brought, for all who wait for it.
pub(crate) type Landing = Result<Found, LoadFailure>;

/// A load under way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) key: Arc<MemoryKey>,
    /// The generations of its tags from before it began.
    pub(crate) snapshot: Snapshot,
    /// That in which it began. Read before anything is asked, so that what is missed meanwhile is not taken for heard.
    pub(crate) epoch: u64,
    /// What it was asked to see.
    pub(crate) consistency: Consistency,
    /// Told of the hits of what it brings: of who warms it, whether that began the load or joined it.
    pub(crate) ledger: OnceLock<Arc<WarmMeter>>,
    landing: watch::Sender<Option<Landing>>,
}

impl Flight {
    pub(crate) fn new(
        key: Arc<MemoryKey>,
        snapshot: Snapshot,
        epoch: u64,
        consistency: Consistency,
    ) -> Arc<Self> {
        Arc::new(Self {
            key,
            snapshot,
            epoch,
            consistency,
            ledger: OnceLock::new(),
            landing: watch::Sender::new(None),
        })
    }

    /// Gives the answer to all who wait. Trouble does not take back one that was given, though not all may have it yet.
    pub(crate) fn land(&self, landing: Landing) {
        self.landing.send_if_modified(|landed| {
            let is_trouble = landing.as_ref().is_err_and(|failure| !failure.is_definite());
            let lands = !(is_trouble && matches!(landed, Some(Ok(_))));
            if lands {
                *landed = Some(landing);
            }
            lands
        });
    }

    /// Tells those who wait that nothing will come, unless something has.
    pub(crate) fn give_up(&self) {
        self.landing.send_if_modified(|landing| {
            let is_empty = landing.is_none();
            landing.get_or_insert_with(|| Err(LoadFailure::trouble(LoaderLost)));
            is_empty
        });
    }

    pub(crate) fn wait(&self) -> watch::Receiver<Option<Landing>> {
        self.landing.subscribe()
    }
}

type Listed = HashMap<MemoryKey, Arc<Flight>>;

/// The loads under way.
#[derive(Debug)]
pub(crate) struct Flights {
    shards: Box<[Mutex<Listed>]>,
    hasher: RandomState,
}

impl Flights {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Returns the flight that `may_join` accepts, else takes off with a new one in its place; `true` when it is new.
    ///
    /// A flight that is replaced goes on for those who wait for it.
    pub(crate) fn join_or_take_off(
        &self,
        key: MemoryKeyRef<'_>,
        may_join: impl FnOnce(&Flight) -> bool,
        take_off: impl FnOnce() -> Arc<Flight>,
    ) -> (Arc<Flight>, bool) {
        let key = key.to_owned();
        let mut shard = self.shard(&key);
        if let Some(flight) = shard.get(&key).filter(|flight| may_join(flight)) {
            return (Arc::clone(flight), false);
        }
        let flight = take_off();
        shard.insert(key, Arc::clone(&flight));
        (flight, true)
    }

    /// Takes a flight off the list, unless another has taken its place.
    pub(crate) fn remove(&self, flight: &Arc<Flight>) {
        let mut shard = self.shard(&flight.key);
        if shard
            .get(&flight.key)
            .is_some_and(|listed| Arc::ptr_eq(listed, flight))
        {
            shard.remove(&flight.key);
        }
    }

    pub(crate) fn is_under_way(&self, key: MemoryKeyRef<'_>) -> bool {
        let key = key.to_owned();
        self.shard(&key).contains_key(&key)
    }

    fn shard(&self, key: &MemoryKey) -> MutexGuard<'_, Listed> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
        let number = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
