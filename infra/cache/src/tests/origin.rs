use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fairlead_domain::access::{SystemScope, TenantScope};
use fairlead_domain::cache::{
    CacheKey, CacheRead, Found, LoadFailure, Loaded, Loader, Namespace, ReadCache as _, Tag,
};
use fairlead_domain::consistency::{Consistency, LogPosition};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::{LogEnd, StoreError};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::memory::MemoryKeyRef;
use crate::{CacheSettings, TieredCache};

pub(super) fn position(lsn: u64) -> LogPosition {
    LogPosition {
        mark: u32::try_from(lsn).unwrap(),
        ..LogPosition::new(1, lsn)
    }
}

#[expect(clippy::disallowed_methods, reason = "a test acts for whom it likes")]
pub(super) fn scope(tenant: u128) -> TenantScope {
    SystemScope::new("test").tenant(TenantId::from_uuid(Uuid::from_u128(tenant)))
}

/// A database of one number, whose replica can lag and whose loads can be held.
#[derive(Debug)]
pub(super) struct Origin {
    /// What was committed last: its position is its value.
    committed: AtomicU64,
    /// No value is committed twice, not even one that was lost.
    latest: AtomicU64,
    /// What a replica has: what an eventual read sees.
    replayed: AtomicU64,
    timeline: AtomicU32,
    pub(super) loads: AtomicUsize,
    /// Loads that have read and wait to return.
    pub(super) held: AtomicUsize,
    failure: Mutex<Option<LoadFailure>>,
    /// The replica alone answers.
    pub(super) is_primary_gone: AtomicBool,
    gate: Semaphore,
}

impl Origin {
    /// Loads return at once.
    pub(super) fn open() -> Arc<Self> {
        Self::with_permits(Semaphore::MAX_PERMITS)
    }

    /// Loads read, and return when they are released.
    pub(super) fn held() -> Arc<Self> {
        Self::with_permits(0)
    }

    fn with_permits(permits: usize) -> Arc<Self> {
        Arc::new(Self {
            committed: AtomicU64::new(1),
            latest: AtomicU64::new(1),
            replayed: AtomicU64::new(1),
            timeline: AtomicU32::new(1),
            loads: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            failure: Mutex::default(),
            is_primary_gone: AtomicBool::new(false),
            gate: Semaphore::new(permits),
        })
    }

    pub(super) fn release(&self, loads: usize) {
        self.gate.add_permits(loads);
    }

    /// Commits a new value, on the primary alone.
    pub(super) fn commit(&self) -> LogPosition {
        let value = self.latest.fetch_add(1, Ordering::SeqCst) + 1;
        self.committed.store(value, Ordering::SeqCst);
        self.at(value)
    }

    /// The replica becomes the primary: what it did not have is lost. Returns the new timeline.
    pub(super) fn fail_over(&self) -> u32 {
        self.committed
            .store(self.replayed.load(Ordering::SeqCst), Ordering::SeqCst);
        self.timeline.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The value of now.
    pub(super) fn committed(&self) -> u64 {
        self.committed.load(Ordering::SeqCst)
    }

    pub(super) fn at(&self, lsn: u64) -> LogPosition {
        LogPosition {
            timeline: self.timeline.load(Ordering::SeqCst),
            ..position(lsn)
        }
    }

    /// Lets the replica catch up.
    pub(super) fn replay(&self) {
        self.replayed
            .store(self.committed.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// From now on every load ends so.
    pub(super) fn fail_with(&self, failure: LoadFailure) {
        *self.failure.lock().unwrap() = Some(failure);
    }

    pub(super) async fn until_held(&self, loads: usize) {
        while self.held.load(Ordering::SeqCst) < loads {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Loader for Origin {
    async fn load(&self, consistency: Consistency) -> Result<Loaded, LoadFailure> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        if let Some(failure) = self.failure.lock().unwrap().clone() {
            return Err(failure);
        }
        if consistency == Consistency::Strong && self.is_primary_gone.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the primary is gone".into()).into());
        }
        let replayed = self.replayed.load(Ordering::SeqCst);
        let committed = self.committed.load(Ordering::SeqCst);
        let value = match consistency {
            Consistency::Eventual => replayed,
            Consistency::AtLeast(wanted) if self.at(replayed).covers(wanted) => replayed,
            Consistency::AtLeast(_) | Consistency::Strong => committed,
        };
        let as_of = self.at(value);
        self.held.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        Ok(Loaded {
            body: Bytes::from(value.to_string()),
            entity_tag: value.to_string().into(),
            content_type: "text/plain".into(),
            modified: None,
            as_of,
        })
    }
}

#[async_trait]
impl LogEnd for Origin {
    async fn log_end(&self) -> Result<LogPosition, StoreError> {
        let end = self.at(self.committed.load(Ordering::SeqCst));
        Ok(LogPosition { mark: 0, ..end })
    }
}

/// A cache and who asks it, for the list of leads of tenant 1.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) cache: TieredCache,
    pub(super) origin: Arc<Origin>,
    pub(super) key: CacheKey,
}

impl Reader {
    pub(super) fn new(origin: Arc<Origin>, settings: CacheSettings) -> Self {
        Self {
            // What this database says that it has seen it has.
            cache: TieredCache::start(CacheSettings {
                sight_lag: Duration::ZERO,
                ..settings
            })
            .unwrap(),
            origin,
            key: CacheKey::new(Namespace::LeadList, "all"),
        }
    }

    pub(super) async fn ask(&self, consistency: Consistency) -> Result<Found, LoadFailure> {
        let read = CacheRead {
            key: &self.key,
            tags: &[Tag::Leads],
            consistency,
        };
        let loader: Arc<dyn Loader> = Arc::clone(&self.origin) as _;
        self.cache.get_or_load(&scope(1), read, loader).await
    }

    pub(super) async fn value(&self) -> u64 {
        value(&self.ask(Consistency::Eventual).await.unwrap())
    }

    pub(super) async fn bump(&self, position: LogPosition) {
        self.cache
            .inner
            .bump(scope(1).tenant(), &[Tag::Leads], Some(position))
            .await;
    }

    pub(super) fn is_loading(&self) -> bool {
        let key = MemoryKeyRef {
            tenant: scope(1).tenant(),
            key: &self.key,
        };
        self.cache.inner.flights.is_under_way(key)
    }

    pub(super) fn loads(&self) -> usize {
        self.origin.loads.load(Ordering::SeqCst)
    }
}

pub(super) fn value(found: &Found) -> u64 {
    std::str::from_utf8(found.entry.body()).unwrap().parse().unwrap()
}
