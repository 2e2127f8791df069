use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use fairlead_cache::{CacheSettings, SharedSettings, TieredCache};
use fairlead_domain::Id;
use fairlead_domain::access::{Actor, SystemScope, TenantScope};
use fairlead_domain::cache::{
    CacheControl as _, CacheKey, CacheRead, Found, LoadFailure, Loaded, Loader, Namespace, ReadCache as _,
    SharedReport, Tag, WarmItem,
};
use fairlead_domain::consistency::{Consistency, LogPosition};
use fairlead_domain::events::{Aggregate, EventObserver as _, Recorded, Stretch};
use fairlead_domain::store::{CommitListener as _, LogEnd, StoreError};
use fairlead_telemetry::spawn;
use support::wait_until;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::server::RedisServer;

#[expect(clippy::disallowed_methods, reason = "a test acts for whom it likes")]
pub(super) fn scope(tenant: u128) -> TenantScope {
    SystemScope::new("test").tenant(Id::from_uuid(Uuid::from_u128(tenant)))
}

/// A busy machine must not pass for a Redis that is away, nor a node that waits for its turn for one that has died.
pub(super) fn patient(url: &str) -> SharedSettings {
    SharedSettings {
        command_timeout: Duration::from_secs(5),
        missed_after: Duration::from_mins(1),
        ..SharedSettings::at(url)
    }
}

/// Soon finds out that Redis is out of reach, and not because the machine is busy.
pub(super) fn watchful(url: &str) -> SharedSettings {
    SharedSettings {
        command_timeout: Duration::from_millis(300),
        ..patient(url)
    }
}

/// What the nodes cache: a number per lead. One tenant's is another's. A read that does not ask for more sees what the replica has, and the
/// replica lags as the test says.
#[derive(Debug, Default)]
pub(super) struct Origin {
    rows: Mutex<Rows>,
    pub(super) loads: AtomicUsize,
    /// Of these, those that read the primary whatever the replica has.
    pub(super) strong_loads: AtomicUsize,
    pub(super) is_away: AtomicBool,
    /// There is no lead at all.
    pub(super) is_empty: AtomicBool,
    replica_is_stuck: AtomicBool,
    load_time_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct Rows {
    timeline: u32,
    lsn: u64,
    primary: HashMap<u128, u64>,
    replica: HashMap<u128, u64>,
    replayed: u64,
}

impl Rows {
    fn replay(&mut self) {
        self.replica.clone_from(&self.primary);
        self.replayed = self.lsn;
    }

    fn promote(&mut self) {
        self.primary.clone_from(&self.replica);
        self.lsn = self.replayed;
        self.timeline += 1;
    }

    fn end(&self) -> LogPosition {
        position(self.timeline, self.lsn)
    }

    fn replayed(&self) -> LogPosition {
        position(self.timeline, self.replayed)
    }
}

impl Origin {
    pub(super) fn new() -> Arc<Self> {
        let origin = Self::default();
        // A cluster is never at the beginning of its log.
        *origin.rows.lock().unwrap() = Rows {
            timeline: 1,
            lsn: 1_000,
            replayed: 1_000,
            ..Rows::default()
        };
        Arc::new(origin)
    }

    /// From now on the replica stays behind.
    pub(super) fn stop_replay(&self) {
        self.replica_is_stuck.store(true, Ordering::SeqCst);
    }

    /// From now on the replica comes after the primary every so often, for as long as somebody reads.
    pub(super) fn replay_every(self: &Arc<Self>, lag: Duration) {
        self.stop_replay();
        let origin = Arc::downgrade(self);
        spawn(async move {
            while origin.upgrade().is_some_and(|origin| origin.replay()) {
                tokio::time::sleep(lag).await;
            }
        });
    }

    /// Lets the replica catch up.
    fn replay(&self) -> bool {
        self.rows.lock().unwrap().replay();
        true
    }

    pub(super) fn take(&self, load_time: Duration) {
        let millis = u64::try_from(load_time.as_millis()).unwrap();
        self.load_time_ms.store(millis, Ordering::SeqCst);
    }

    pub(super) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    pub(super) fn warm_item(self: &Arc<Self>, lead: u128) -> WarmItem {
        let loader = LeadLoader {
            origin: Arc::clone(self),
            lead,
            gate: None,
        };
        WarmItem {
            key: key(lead),
            tags: tags(lead).into(),
            loader: Arc::new(loader),
        }
    }

    /// The replica becomes the primary, of a new timeline: what it did not have is lost.
    pub(super) fn fail_over(&self) -> u32 {
        let mut rows = self.rows.lock().unwrap();
        rows.promote();
        rows.timeline
    }

    /// Changes a lead on the primary, past all nodes: nobody tells of it. Returns its value.
    pub(super) fn change_past_all(&self, lead: u128) -> u64 {
        self.commit(lead).0
    }

    fn commit(&self, lead: u128) -> (u64, LogPosition) {
        let mut rows = self.rows.lock().unwrap();
        rows.lsn += 10;
        let value = rows.primary.entry(lead).or_default();
        *value += 1;
        let value = *value;
        if !self.replica_is_stuck.load(Ordering::SeqCst) {
            rows.replay();
        }
        (value, rows.end())
    }

    fn read(&self, lead: u128, consistency: Consistency) -> (u64, LogPosition) {
        let rows = self.rows.lock().unwrap();
        let value = |rows: &HashMap<u128, u64>| rows.get(&lead).copied().unwrap_or(0);
        let of_replica = match consistency {
            Consistency::Eventual => true,
            Consistency::AtLeast(wanted) => rows.replayed().covers(wanted),
            Consistency::Strong => false,
        };
        if of_replica {
            (value(&rows.replica), rows.replayed())
        } else {
            (value(&rows.primary), rows.end())
        }
    }
}

fn position(timeline: u32, lsn: u64) -> LogPosition {
    LogPosition {
        mark: u32::try_from(lsn).unwrap(),
        ..LogPosition::new(timeline, lsn)
    }
}

#[async_trait]
impl LogEnd for Origin {
    async fn log_end(&self) -> Result<LogPosition, StoreError> {
        let end = self.rows.lock().unwrap().end();
        Ok(LogPosition { mark: 0, ..end })
    }
}

#[derive(Debug)]
struct LeadLoader {
    origin: Arc<Origin>,
    lead: u128,
    gate: Option<Arc<Gate>>,
}

/// Stops a load between its read and its return.
#[derive(Debug)]
pub(super) struct Gate {
    reached: Semaphore,
    open: Semaphore,
}

impl Gate {
    pub(super) fn closed() -> Arc<Self> {
        Arc::new(Self {
            reached: Semaphore::new(0),
            open: Semaphore::new(0),
        })
    }

    pub(super) async fn until_reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    pub(super) fn open(&self) {
        self.open.add_permits(1);
    }
}

#[async_trait]
impl Loader for LeadLoader {
    async fn load(&self, consistency: Consistency) -> Result<Loaded, LoadFailure> {
        self.origin.loads.fetch_add(1, Ordering::SeqCst);
        if consistency == Consistency::Strong {
            self.origin.strong_loads.fetch_add(1, Ordering::SeqCst);
        }
        if self.origin.is_away.load(Ordering::SeqCst) {
            return Err(LoadFailure::outage("the database is away"));
        }
        if self.origin.is_empty.load(Ordering::SeqCst) {
            return Err(LoadFailure::definite("there is no such lead"));
        }
        let (value, as_of) = self.origin.read(self.lead, consistency);
        let load_time = self.origin.load_time_ms.load(Ordering::SeqCst);
        if load_time > 0 {
            tokio::time::sleep(Duration::from_millis(load_time)).await;
        }
        if let Some(gate) = &self.gate {
            gate.reached.add_permits(1);
            gate.open.acquire().await.unwrap().forget();
        }
        Ok(Loaded {
            body: Bytes::from(format!("{value} {}", "of many words ".repeat(100))),
            entity_tag: value.to_string().into(),
            content_type: "text/plain".into(),
            modified: None,
            as_of,
        })
    }
}

/// One process that caches.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) cache: TieredCache,
    pub(super) origin: Arc<Origin>,
    tenant: u128,
}

impl Node {
    /// Returns once the shared level is connected.
    pub(super) async fn start(origin: &Arc<Origin>, shared: SharedSettings) -> Self {
        let settings = CacheSettings {
            shared: Some(shared),
            ..CacheSettings::default()
        };
        Self::with(origin, settings).await
    }

    pub(super) async fn with(origin: &Arc<Origin>, settings: CacheSettings) -> Self {
        let node = Self::unconnected(origin, settings);
        node.until_connected().await;
        node
    }

    pub(super) fn unconnected(origin: &Arc<Origin>, settings: CacheSettings) -> Self {
        // What this database says that it has seen it has.
        let settings = CacheSettings {
            sight_lag: Duration::ZERO,
            ..settings
        };
        let cache = TieredCache::start(settings).unwrap();
        cache.ask_log_end_of(Arc::clone(origin) as _);
        Self {
            cache,
            origin: Arc::clone(origin),
            tenant: 1,
        }
    }

    /// Follows the log of events from now on, for as long as the node is there. It brings nothing.
    pub(super) fn follow(&self) {
        let cache = self.cache.clone();
        let nothing = || Stretch {
            asked: Instant::now(),
            events: Vec::new(),
            transactions: Vec::new(),
            is_full: false,
            is_held: false,
            is_quiet: true,
            is_ahead: false,
            as_of: LogPosition::UNKNOWN,
        };
        spawn(async move {
            loop {
                cache.observe(&nothing());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }

    pub(super) fn shared(&self) -> SharedReport {
        self.cache.report().shared.expect("the nodes share a cache")
    }

    /// Asks for one thing after the other until Redis is left alone.
    pub(super) async fn until_cut_off(&self) {
        let mut lead = rand::random();
        wait_until("Redis is left alone", async || {
            lead = u128::wrapping_add(lead, 1);
            self.value(lead).await;
            !self.cache.is_connected()
        })
        .await;
    }

    /// Loads one thing after the other until Redis knows up to where the tenant was written. Before that all loads read
    /// the primary.
    pub(super) async fn until_last_write_is_known(&self, redis: &RedisServer) {
        let name = format!("fl:{{{}}}:w", self.scope().tenant());
        let mut lead = rand::random();
        wait_until("the last write is known", async || {
            lead = u128::wrapping_add(lead, 1);
            self.value(lead).await;
            let known: Option<String> = redis.command(redis::cmd("GET").arg(&name)).await;
            known.is_some_and(|known| !known.starts_with('u'))
        })
        .await;
    }

    pub(super) async fn until_connected(&self) {
        wait_until("the cache is connected", async || self.cache.is_connected()).await;
    }

    pub(super) fn of_tenant(&self, tenant: u128) -> Self {
        Self {
            tenant,
            ..self.clone()
        }
    }

    pub(super) fn scope(&self) -> TenantScope {
        scope(self.tenant)
    }

    pub(super) async fn ask(&self, lead: u128) -> Result<Found, LoadFailure> {
        self.ask_for(lead, Consistency::Eventual, None).await
    }

    pub(super) async fn ask_for(
        &self,
        lead: u128,
        consistency: Consistency,
        gate: Option<Arc<Gate>>,
    ) -> Result<Found, LoadFailure> {
        let key = key(lead);
        let tags = tags(lead);
        if let Some(found) = self.cache.find(&self.scope(), &key, consistency) {
            return Ok(found);
        }
        let read = CacheRead {
            key: &key,
            tags: &tags,
            consistency,
        };
        let loader = LeadLoader {
            origin: Arc::clone(&self.origin),
            lead,
            gate,
        };
        self.cache
            .get_or_load(&self.scope(), read, Arc::new(loader))
            .await
    }

    /// What memory has, without asking anybody.
    pub(super) fn find(&self, lead: u128) -> Option<Found> {
        self.cache.find(&self.scope(), &key(lead), Consistency::Eventual)
    }

    pub(super) async fn value(&self, lead: u128) -> u64 {
        value(&self.ask(lead).await.unwrap())
    }

    /// Changes a lead, and returns its value when the change would be answered.
    pub(super) async fn write(&self, lead: u128) -> (u64, LogPosition) {
        let (value, position) = self.origin.commit(lead);
        self.tell(lead, position).await;
        (value, position)
    }

    /// Changes a lead by a commit whose answer is lost, and returns its value.
    pub(super) async fn write_in_doubt(&self, lead: u128) -> u64 {
        let (value, _) = self.origin.commit(lead);
        self.tell(lead, LogPosition::UNKNOWN).await;
        value
    }

    async fn tell(&self, lead: u128, position: LogPosition) {
        let recorded = Recorded::new(
            "lead_updated",
            Aggregate::Lead,
            Uuid::from_u128(lead),
            Actor::System,
        )
        .before(&serde_json::json!({"name": "a"}))
        .after(&serde_json::json!({"name": "b"}));
        self.cache
            .committed(self.scope().tenant(), &[recorded], position)
            .await;
    }
}

pub(super) fn key(lead: u128) -> CacheKey {
    CacheKey::new(Namespace::Lead, format!("id={lead}"))
}

pub(super) fn tags(lead: u128) -> [Tag; 1] {
    [Tag::Lead(Id::from_uuid(Uuid::from_u128(lead)))]
}

pub(super) fn value(found: &Found) -> u64 {
    found.entry.entity_tag().parse().unwrap()
}
