//! The level in this process: answers ready to be sent, within a budget of bytes.
//!
//! There are two pools. What a tenant has in the first no other can push out, so nobody gets more of it than an equal
//! part; what goes beyond, or comes when nothing is left of the first, competes in the second with all others, by how
//! often it is asked for.

mod accounts;
mod held;
mod key;
mod reclaim;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fairlead_domain::cache::CacheKey;
use fairlead_domain::identity::TenantId;
use moka::Expiry;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

pub(crate) use accounts::{Account, Accounts};
pub(crate) use held::{Held, Life, NewHeld, Pool, Verdict};
pub(crate) use key::{MemoryKey, MemoryKeyRef};

use crate::cache::HITS_PER_LOT;
use crate::meters::Meters;
use crate::settings::{Eviction, MemorySettings};

type Entries = Cache<Arc<MemoryKey>, Arc<Held>>;

pub(crate) struct Memory {
    settings: MemorySettings,
    own: Entries,
    common: Entries,
    accounts: Arc<Accounts>,
    meters: Arc<Meters>,
}

impl Memory {
    pub(crate) fn new(settings: MemorySettings, meters: &Arc<Meters>) -> Self {
        let half = settings.capacity_bytes / 2;
        let own = entries("own", half, settings.eviction, meters);
        let common = entries(
            "common",
            settings.capacity_bytes - half,
            settings.eviction,
            meters,
        );
        Self {
            settings,
            own,
            common,
            accounts: Arc::new(Accounts::default()),
            meters: Arc::clone(meters),
        }
    }

    pub(crate) fn get(&self, tenant: TenantId, key: &CacheKey) -> Option<Arc<Held>> {
        let key = MemoryKeyRef { tenant, key };
        self.own.get(&key).or_else(|| self.common.get(&key))
    }

    pub(crate) fn account(&self, tenant: TenantId) -> Arc<Account> {
        self.accounts.of(tenant)
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Keeps an answer, and says where; `None` when it is too large.
    pub(crate) fn insert(&self, held: Held) -> Option<Pool> {
        if held.entry().body().len() > self.settings.largest_bytes {
            return None;
        }
        let weight = u64::from(held.weight());
        // What this answer replaces makes room first, in whichever pool it lies.
        self.drop_from_both(held.key().borrowed(), &self.meters.evictions.replaced);
        let pool = held.account().hold(weight, self.share(), self.set_aside());
        let held = Arc::new(held.in_pool(pool));
        let entries = match pool {
            Pool::Own => &self.own,
            Pool::Common => &self.common,
        };
        entries.insert(Arc::clone(held.key()), held);
        Some(pool)
    }

    pub(crate) fn remove(&self, tenant: TenantId, key: &CacheKey) {
        self.drop_from_both(MemoryKeyRef { tenant, key }, &self.meters.evictions.removed);
    }

    /// Drops what `matches` says. It looks at every answer, so it is done seldom and behind the scenes.
    pub(crate) fn remove_if(&self, matches: impl Fn(&Held) -> bool) {
        for pool in [&self.own, &self.common] {
            for (key, _) in pool.iter().filter(|(_, held)| matches(held)) {
                drop_from(pool, key.borrowed(), &self.meters.evictions.removed);
            }
        }
    }

    fn drop_from_both(&self, key: MemoryKeyRef<'_>, why: &AtomicU64) {
        drop_from(&self.own, key, why);
        drop_from(&self.common, key, why);
    }

    /// Bytes that each tenant has to itself now.
    pub(crate) fn share(&self) -> u64 {
        let tenants = self.accounts.holding().max(1);
        self.settings.tenant_bytes.min(self.set_aside() / tenants)
    }

    /// Bytes of all own parts together.
    fn set_aside(&self) -> u64 {
        self.settings.capacity_bytes / 2
    }

    pub(crate) fn capacity_bytes(&self) -> u64 {
        self.settings.capacity_bytes
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        self.own.weighted_size() + self.common.weighted_size()
    }

    pub(crate) fn entries(&self) -> u64 {
        self.own.entry_count() + self.common.entry_count()
    }

    /// Does at once what is otherwise done in passing: evicts what is too much, drops what has expired.
    pub(crate) fn settle(&self) {
        self.own.run_pending_tasks();
        self.common.run_pending_tasks();
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory")
            .field("entries", &self.entries())
            .field("used_bytes", &self.used_bytes())
            .finish_non_exhaustive()
    }
}

/// Takes an answer out, and counts why: to the listener all that is taken out is the same.
fn drop_from(pool: &Entries, key: MemoryKeyRef<'_>, why: &AtomicU64) {
    if pool.remove(&key).is_some() {
        why.fetch_add(1, Ordering::Relaxed);
    }
}

fn entries(name: &str, capacity_bytes: u64, eviction: Eviction, meters: &Arc<Meters>) -> Entries {
    let meters = Arc::clone(meters);
    Cache::builder()
        .name(name)
        .max_capacity(capacity_bytes)
        .weigher(|_, held: &Arc<Held>| held.weight())
        .expire_after(LifeOfHeld)
        .eviction_policy(match eviction {
            Eviction::Frequency => EvictionPolicy::tiny_lfu(),
            Eviction::Recency => EvictionPolicy::lru(),
        })
        .eviction_listener(move |_, held: Arc<Held>, cause: RemovalCause| {
            held.account().release(held.pool(), u64::from(held.weight()));
            meters.note_removal(cause);
            let unnoted = u32::try_from(held.hits() % u64::from(HITS_PER_LOT)).unwrap_or(0);
            if unnoted > 0 {
                meters.hot.add(held.key(), (held.cost() * unnoted).into());
            }
        })
        .build()
}

struct LifeOfHeld;

impl Expiry<Arc<MemoryKey>, Arc<Held>> for LifeOfHeld {
    fn expire_after_create(&self, _: &Arc<MemoryKey>, held: &Arc<Held>, _: Instant) -> Option<Duration> {
        Some(held.life_left(Instant::now()))
    }

    fn expire_after_update(
        &self,
        _: &Arc<MemoryKey>,
        held: &Arc<Held>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(held.life_left(Instant::now()))
    }
}
