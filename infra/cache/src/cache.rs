use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fairlead_domain::access::TenantScope;
use fairlead_domain::cache::{
    CacheKey, CacheRead, Entry, Found, Freshness, LoadFailure, Loader, Namespace, Policy, ReadCache, Source,
    Tag,
};
use fairlead_domain::consistency::{Consistency, LogPosition};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::{LogEnd, WriteObserver};

use crate::fill;
use crate::flights::{Flight, Flights};
use crate::floor::Floors;
use crate::generations::{Generations, Snapshot, TagHash};
use crate::heard::Heard;
use crate::memory::{Held, Memory, MemoryKeyRef, Verdict};
use crate::meters::{Meters, Operation, Outcome, Rate, WarmMeter, tag_mask};
use crate::settings::CacheSettings;
use crate::shared::{BadRedis, Shared};
use crate::sweep::Sweeps;

/// The times of hits are measured for one in so many.
const SAMPLE: u64 = 16;
/// Hits of an answer are noted in the sketch of the hottest keys in lots of so many.
pub(crate) const HITS_PER_LOT: u32 = 16;

/// Answers in this process's memory, over those that processes share.
#[derive(Clone, Debug)]
pub struct TieredCache {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: CacheSettings,
    policies: [Policy; Namespace::ALL.len()],
    pub(crate) generations: Generations,
    pub(crate) memory: Memory,
    pub(crate) sweeps: Sweeps,
    pub(crate) heard: Heard,
    pub(crate) flights: Flights,
    pub(crate) meters: Arc<Meters>,
    pub(crate) shared: Option<Shared>,
    write_observer: OnceLock<Arc<dyn WriteObserver>>,
    pub(crate) log_end: OnceLock<Arc<dyn LogEnd>>,
    /// That of the primary; 0 while nobody has told.
    pub(crate) timeline: AtomicU32,
    /// What was committed before the start is not in `generations`: until there is a floor, loads read all there is.
    pub(crate) floors: Mutex<Floors>,
    /// Set while the database is away: when to try it again.
    pub(crate) away_until: Mutex<Option<Instant>>,
}

impl TieredCache {
    /// Starts with empty memory. The shared level is connected behind the scenes, now and whenever it was away; to be
    /// called within a runtime.
    ///
    /// # Errors
    /// Redis being away is none.
    pub fn start(settings: CacheSettings) -> Result<Self, BadRedis> {
        let meters = Arc::new(Meters::default());
        let policies = Namespace::ALL.map(|namespace| settings.policy(namespace));
        let shared = settings.shared.as_ref();
        let shared =
            shared.map(|shared| Shared::new(shared, &policies, settings.load_limit, settings.sight_lag));
        let inner = Arc::new(Inner {
            policies,
            generations: Generations::new(),
            memory: Memory::new(settings.memory.clone(), &meters),
            sweeps: Sweeps::default(),
            heard: Heard::default(),
            flights: Flights::new(),
            meters,
            shared: shared.transpose()?,
            write_observer: OnceLock::new(),
            log_end: OnceLock::new(),
            timeline: AtomicU32::new(0),
            floors: Mutex::default(),
            away_until: Mutex::new(None),
            settings,
        });
        if inner.shared.is_some() {
            Shared::start(&inner);
        }
        Ok(Self { inner })
    }

    /// Tells `observer` of writes of other processes from now on. Only the first is told.
    pub fn tell_writes_to(&self, observer: Arc<dyn WriteObserver>) {
        self.inner.write_observer.get_or_init(|| observer);
    }

    /// Asks `log` from now on how far a load must read to see what nobody has named. Only the first is asked.
    pub fn ask_log_end_of(&self, log: Arc<dyn LogEnd>) {
        self.inner.log_end.get_or_init(|| log);
    }

    /// Tells the other processes what they have not been told yet, and takes leave of them; returns whether that was
    /// done within `patience`. For the end of a process, when nothing is committed any more.
    pub async fn close(&self, patience: Duration) -> bool {
        match &self.inner.shared {
            Some(shared) => shared.sign_off(patience).await,
            None => true,
        }
    }

    /// Whether changes made in other processes are heard here and those made here told; `true` when there is no
    /// shared level.
    pub fn is_connected(&self) -> bool {
        self.inner.hears_changes()
    }
}

#[async_trait]
impl ReadCache for TieredCache {
    fn find(&self, scope: &TenantScope, key: &CacheKey, consistency: Consistency) -> Option<Found> {
        let now = Instant::now();
        let held = self.inner.memory.get(scope.tenant(), key)?;
        self.inner.serve_fresh(scope.tenant(), &held, consistency, now)
    }

    fn find_kept(&self, scope: &TenantScope, key: &CacheKey, consistency: Consistency) -> Option<Found> {
        let now = Instant::now();
        let (inner, tenant) = (&self.inner, scope.tenant());
        let held = inner.memory.get(tenant, key)?;
        inner.serve_fresh(tenant, &held, consistency, now).or_else(|| {
            let may = inner.outlasts_outage(tenant, &held, consistency, now);
            may.then(|| inner.answer(&held, Freshness::Degraded, Outcome::Degraded))
        })
    }

    async fn get_or_load(
        &self,
        scope: &TenantScope,
        read: CacheRead<'_>,
        loader: Arc<dyn Loader>,
    ) -> Result<Found, LoadFailure> {
        self.inner.get_or_load(scope.tenant(), read, loader).await
    }
}

impl Inner {
    async fn get_or_load(
        self: &Arc<Self>,
        tenant: TenantId,
        read: CacheRead<'_>,
        loader: Arc<dyn Loader>,
    ) -> Result<Found, LoadFailure> {
        let (namespace, consistency) = (read.key.namespace(), read.consistency);
        if !self.policy(namespace).enabled || consistency == Consistency::Strong {
            return self.load_past(tenant, read, &*loader).await;
        }
        let now = Instant::now();
        let held = self.memory.get(tenant, read.key);
        if let Some(held) = &held {
            if let Some(found) = self.serve_fresh(tenant, held, consistency, now) {
                return Ok(found);
            }
            // Nobody waits in vain.
            if self.is_database_away(now) && self.outlasts_outage(tenant, held, consistency, now) {
                return Ok(self.answer(held, Freshness::Degraded, Outcome::Degraded));
            }
        }
        let (flight, is_new) = self.join_or_take_off(tenant, read, loader);
        if let Some(held) = &held
            && let Some(found) = self.serve_stale(tenant, held, consistency, now)
        {
            return Ok(found);
        }
        let failure = match self.wait_for(&flight).await {
            Ok(found) => {
                let outcome = if is_new { outcome(&found) } else { Outcome::Joined };
                self.note(tenant, read, outcome);
                // Of what was there before, the hits that made no whole lot.
                let rest = held.as_ref().filter(|_| is_new);
                let rest = rest.map_or(0, |held| held.hits() % u64::from(HITS_PER_LOT));
                let is_hit = u64::from(outcome.is_hit());
                self.meters
                    .keys
                    .add(&flight.key, Rate::of(rest + is_hit, 1 - is_hit));
                return Ok(found);
            }
            Err(failure) => failure,
        };
        if let Some(held) = held.filter(|held| self.may_stand_in(tenant, held, consistency, &failure)) {
            return Ok(self.answer(&held, Freshness::Degraded, Outcome::Degraded));
        }
        self.note(tenant, read, Outcome::Failed);
        Err(failure)
    }

    /// Brings an answer into memory ahead of need, and says where it was. Nobody has asked: it counts as no request.
    ///
    /// What is told of its hits is kept with the answer; `None` when it was there before.
    pub(crate) async fn warm(
        self: &Arc<Self>,
        tenant: TenantId,
        read: CacheRead<'_>,
        loader: Arc<dyn Loader>,
    ) -> Result<(Source, Option<Arc<WarmMeter>>), LoadFailure> {
        let held = self.memory.get(tenant, read.key);
        if held.is_some_and(|held| self.verdict(&held, Instant::now()) == Verdict::Fresh) {
            return Ok((Source::Memory, None));
        }
        let (flight, _) = self.join_or_take_off(tenant, read, loader);
        // Before it lands, unless somebody has nearly brought it.
        let ledger = Arc::clone(flight.ledger.get_or_init(Arc::default));
        Ok((self.wait_for(&flight).await?.source, Some(ledger)))
    }

    pub(crate) fn policy(&self, namespace: Namespace) -> Policy {
        self.policies[namespace.index()]
    }

    /// The generations of an answer's tags, those included that it has without saying so.
    fn snapshot(&self, tenant: TenantId, read: CacheRead<'_>) -> Snapshot {
        self.generations.snapshot(tag_hashes(tenant, read.key, read.tags))
    }

    /// Serves from memory what is as good as new.
    fn serve_fresh(
        &self,
        tenant: TenantId,
        held: &Arc<Held>,
        consistency: Consistency,
        now: Instant,
    ) -> Option<Found> {
        if self.verdict(held, now) != Verdict::Fresh || !self.satisfies(tenant, held, consistency) {
            return None;
        }
        let found = self.answer(held, Freshness::Fresh, Outcome::MemoryHit);
        if held.hits() % SAMPLE == 1 {
            self.meters.note_time(Operation::MemoryRead, now.elapsed());
        }
        Some(found)
    }

    /// Serves from memory what is being loaded anew, if its time has only just passed.
    fn serve_stale(
        &self,
        tenant: TenantId,
        held: &Arc<Held>,
        consistency: Consistency,
        now: Instant,
    ) -> Option<Found> {
        let may = held.is_over(now) && self.has_just_expired(tenant, held, consistency, now);
        may.then(|| self.answer(held, Freshness::Stale, Outcome::Stale))
    }

    fn answer(&self, held: &Held, freshness: Freshness, outcome: Outcome) -> Found {
        let meter = &held.account().meter;
        self.meters.note(held.key().key.namespace(), meter, outcome);
        self.meters.note_hit_by_tags(held.tags());
        meter.note_saved(held.cost());
        if let Some(ledger) = held.ledger() {
            ledger.note(held.cost());
        }
        // Noted in lots, so that hits seldom meet at the lock.
        if held.note_hit().is_multiple_of(u64::from(HITS_PER_LOT)) {
            self.meters
                .hot
                .add(held.key(), (held.cost() * HITS_PER_LOT).into());
            let hits = Rate::of(u64::from(HITS_PER_LOT), 0);
            self.meters.keys.add(held.key(), hits);
        }
        in_memory(held, freshness)
    }

    /// Takes note of what became of a request that was not answered from memory at once.
    fn note(&self, tenant: TenantId, read: CacheRead<'_>, outcome: Outcome) {
        let account = self.memory.account(tenant);
        self.meters.note(read.key.namespace(), &account.meter, outcome);
        let tags = tag_mask(read.tags);
        if outcome.is_hit() {
            self.meters.note_hit_by_tags(tags);
        } else {
            self.meters.note_miss_by_tags(tags);
        }
    }

    pub(crate) fn observe_write(&self, tenant: TenantId, position: LogPosition) {
        if let Some(observer) = self.write_observer.get() {
            observer.note_write(tenant, position);
        }
    }

    /// The load under way that may answer `read`, else a new one; `true` when it is new.
    fn join_or_take_off(
        self: &Arc<Self>,
        tenant: TenantId,
        read: CacheRead<'_>,
        loader: Arc<dyn Loader>,
    ) -> (Arc<Flight>, bool) {
        let key = MemoryKeyRef {
            tenant,
            key: read.key,
        };
        let (flight, is_new) = self.flights.join_or_take_off(
            key,
            |flight| self.may_join(tenant, flight, read.consistency),
            || {
                Flight::new(
                    Arc::new(key.to_owned()),
                    self.snapshot(tenant, read),
                    self.epoch(),
                    read.consistency,
                )
            },
        );
        if is_new {
            fill::start(Arc::clone(self), Arc::clone(&flight), read.tags.into(), loader);
        }
        (flight, is_new)
    }

    async fn wait_for(&self, flight: &Flight) -> Result<Found, LoadFailure> {
        let mut landing = flight.wait();
        let landed = landing.wait_for(Option::is_some).await;
        landed
            .ok()
            .and_then(|landed| landed.clone())
            .unwrap_or_else(|| Err(LoadFailure::trouble(LoaderLost)))
    }

    /// Loads without keeping: what is not cached, and what must be read now.
    async fn load_past(
        &self,
        tenant: TenantId,
        read: CacheRead<'_>,
        loader: &dyn Loader,
    ) -> Result<Found, LoadFailure> {
        let began = Instant::now();
        let answer = loader.load(read.consistency).await;
        self.meters.note_time(Operation::Load, began.elapsed());
        let outcome = if answer.is_ok() {
            Outcome::Loaded
        } else {
            Outcome::Failed
        };
        self.note(tenant, read, outcome);
        Ok(fill::fresh(Arc::new(Entry::new(answer?))))
    }
}

/// The loader panicked, or the process is about to stop.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the load was given up")]
pub struct LoaderLost;

/// What became of the request whose load brought `found`.
fn outcome(found: &Found) -> Outcome {
    match (found.source, found.freshness) {
        (Source::Memory, _) => Outcome::MemoryHit,
        (Source::Shared, Freshness::Fresh) => Outcome::SharedHit,
        (Source::Shared, _) => Outcome::SharedStale,
        (Source::Loader, _) => Outcome::Loaded,
    }
}

pub(crate) fn in_memory(held: &Held, freshness: Freshness) -> Found {
    Found {
        entry: Arc::clone(held.entry()),
        source: Source::Memory,
        freshness,
        age: held.age(Instant::now()),
    }
}

/// All tags of an answer: its tenant, its namespace, itself, and those it names.
fn tag_hashes(tenant: TenantId, key: &CacheKey, tags: &[Tag]) -> impl Iterator<Item = TagHash> {
    let implied = [
        TagHash::of(tenant, Tag::Whole),
        TagHash::of_namespace(tenant, key.namespace()),
        TagHash::of_key(tenant, key),
    ];
    implied
        .into_iter()
        .chain(tags.iter().map(move |tag| TagHash::of(tenant, *tag)))
}

/// Takes up to a tenth off, so that what was loaded together does not expire together.
pub(crate) fn jittered(ttl: Duration) -> Duration {
    ttl.mul_f64(1.0 - rand::random::<f64>() / 10.0)
}
