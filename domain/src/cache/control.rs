//! What operators see of the cache, and what they may do to it.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::{CacheKey, Namespace, Tag};
use crate::consistency::LogPosition;
use crate::identity::TenantId;

/// The operators' side of the cache. None of it reads or changes rows.
#[async_trait]
pub trait CacheControl: Debug + Send + Sync {
    /// Drops what `what` says, here and in all processes that share the cache.
    async fn invalidate(&self, what: Invalidate);

    /// Says what is kept under `key` and why it would be served, or not. `tags`: what the answer depends on; without
    /// them, less can be said of the shared level.
    async fn explain(&self, tenant: TenantId, key: &CacheKey, tags: &[Tag]) -> Explanation;

    fn report(&self) -> CacheReport;

    /// `None`: nothing is known of the tenant here.
    fn report_of(&self, tenant: TenantId) -> Option<TenantReport>;
}

/// What is to be dropped. The work does not grow with what is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalidate {
    /// One answer. In the shared level, those of its kind and tenant go with it.
    Key(TenantId, CacheKey),
    Tag(TenantId, Tag),
    /// One kind of answers: of one tenant, or of all.
    Namespace(Option<TenantId>, Namespace),
    Tenant(TenantId),
    Everything,
}

/// What is known of one answer.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub memory: Option<KeptInMemory>,
    pub shared: SharedState,
    /// Whether a load of it is under way here.
    pub is_loading: bool,
}

#[derive(Clone, Debug)]
pub struct KeptInMemory {
    pub verdict: Reason,
    pub age: Duration,
    /// Until it is loaded anew.
    pub fresh_for: Duration,
    pub size_bytes: usize,
    pub hits: u64,
    /// How long its load took.
    pub load_time: Duration,
    pub as_of: LogPosition,
    pub entity_tag: Box<str>,
    /// The generations of its tags when it was loaded and now, in the order of [`KeptInMemory::tags`].
    pub generations: Vec<(u64, u64)>,
    /// First those it has without naming them: its tenant, its namespace, itself.
    pub tags: Vec<Box<str>>,
}

/// Why an answer in memory is served or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// None of its tags was bumped, and its time is not over.
    Valid,
    /// None of its tags was bumped, but its time is over.
    Expired,
    /// Changes may have gone unheard since it was loaded: the shared level is asked before it is served.
    Suspect,
    /// One of its tags was bumped since its load began.
    Invalidated,
}

#[derive(Clone, Debug)]
pub enum SharedState {
    /// There is no shared level.
    Absent,
    /// It does not answer, or is not trusted yet.
    Away,
    Missing,
    Kept(KeptInShared),
}

#[derive(Clone, Debug)]
pub struct KeptInShared {
    /// `None`: not all that it depends on is known.
    pub verdict: Option<Reason>,
    /// Up to a tenth of its time too high, as time is taken off at random.
    pub age: Duration,
    /// Until it is loaded anew.
    pub fresh_for: Duration,
    /// Until it is gone, its time of staleness included.
    pub gone_in: Duration,
    pub size_bytes: usize,
    /// First those it has without naming them: its tenant, its namespace.
    pub tags: Vec<Box<str>>,
    /// The generations of its tags when it was loaded and now, in the shared level's own count; `None`: lost.
    pub generations: Vec<(u64, Option<u64>)>,
}

/// What the cache of this process has done since it started.
#[derive(Clone, Debug)]
pub struct CacheReport {
    pub memory: MemoryReport,
    /// `None`: there is no shared level.
    pub shared: Option<SharedReport>,
    pub namespaces: Vec<(Namespace, Counts)>,
    /// By kind of tag, in the order of [`Tag::KINDS`].
    pub tags: Vec<TagReport>,
    pub times: Vec<(&'static str, Times)>,
    /// The tenants that ask most, most first.
    pub tenants: Vec<(TenantId, TenantReport)>,
    /// All other tenants together.
    pub other_tenants: TenantReport,
    /// The keys that saved the most time of the database, most first.
    pub hottest: Vec<HotKey>,
    /// The keys that are asked for most, most first.
    pub keys: Vec<KeyReport>,
    /// Loads that were not kept because something they depend on changed meanwhile.
    pub refused_fills: u64,
}

impl CacheReport {
    /// All requests together.
    pub fn total(&self) -> Counts {
        self.namespaces
            .iter()
            .fold(Counts::default(), |total, (_, counts)| total.plus(counts))
    }
}

/// What became of requests for answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub memory_hits: u64,
    pub shared_hits: u64,
    /// Served after their time while they were loaded anew.
    pub stale: u64,
    /// Of these, from the shared level; the others were in memory.
    pub shared_stale: u64,
    /// Served after their time because loading them failed.
    pub degraded: u64,
    pub loads: u64,
    /// Waited for the load of another request.
    pub joined: u64,
    pub failed: u64,
}

impl Counts {
    pub fn hits(&self) -> u64 {
        self.memory_hits + self.shared_hits + self.stale + self.degraded
    }

    /// Of the hits, those that were in memory.
    pub fn hits_in_memory(&self) -> u64 {
        self.hits() - self.hits_in_shared()
    }

    /// Of the hits, those that came from the shared level.
    pub fn hits_in_shared(&self) -> u64 {
        self.shared_hits + self.shared_stale
    }

    pub fn requests(&self) -> u64 {
        self.hits() + self.loads + self.joined + self.failed
    }

    /// The part of requests that did not wait for a load, 0 to 1; `None` without requests.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
    pub fn hit_ratio(&self) -> Option<f64> {
        (self.requests() > 0).then(|| self.hits() as f64 / self.requests() as f64)
    }

    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self {
            memory_hits: self.memory_hits + other.memory_hits,
            shared_hits: self.shared_hits + other.shared_hits,
            stale: self.stale + other.stale,
            shared_stale: self.shared_stale + other.shared_stale,
            degraded: self.degraded + other.degraded,
            loads: self.loads + other.loads,
            joined: self.joined + other.joined,
            failed: self.failed + other.failed,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct MemoryReport {
    pub entries: u64,
    pub used_bytes: u64,
    pub capacity_bytes: u64,
    /// What each tenant has to itself now.
    pub tenant_bytes: u64,
    /// Answers that left memory to make room for others.
    pub evicted_for_room: u64,
    /// Those whose time was over.
    pub expired: u64,
    /// Those that were loaded anew.
    pub replaced: u64,
    /// Those that were taken out before their time, because they had changed or were gone.
    pub removed: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct SharedReport {
    /// Whether it answers, and the changes of other processes are heard.
    pub is_trusted: bool,
    pub writes: u64,
    /// Answers that were not written because something they depend on changed meanwhile.
    pub refused_writes: u64,
    pub failures: u64,
    /// How often it was left alone because it failed.
    pub outages: u64,
    /// How often messages of other processes were missed.
    pub gaps: u64,
    /// Bumps it has not been told yet.
    pub owed_bumps: u64,
}

/// Times of one kind of operation.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub count: u64,
    pub sum: Duration,
    /// At most a quarter too high, like the others.
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
    pub max: Duration,
}

#[derive(Clone, Debug)]
pub struct HotKey {
    pub tenant: TenantId,
    pub key: CacheKey,
    /// Time of the database that its hits made unnecessary.
    pub saved: Duration,
    /// How much of `saved` may be that of keys that it displaced from the list.
    pub error: Duration,
}

/// How the requests for one key fare, since it is one of those that are watched.
#[derive(Clone, Debug)]
pub struct KeyReport {
    pub tenant: TenantId,
    pub key: CacheKey,
    /// Counted in lots; up to fifteen more may have been.
    pub hits: u64,
    /// Requests that waited for a load.
    pub misses: u64,
}

/// How answers that depend on one kind of tag fare.
#[derive(Clone, Copy, Debug)]
pub struct TagReport {
    pub kind: &'static str,
    pub hits: u64,
    pub misses: u64,
    pub bumps: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct TenantReport {
    pub counts: Counts,
    pub entries: u64,
    /// Bytes that no other tenant can push out.
    pub own_bytes: u64,
    /// Bytes in the part that all tenants compete for.
    pub common_bytes: u64,
    pub bumps: u64,
    /// Answers that were put into memory.
    pub kept: u64,
    /// Answers that were not put there because something they depend on changed while they were loaded.
    pub refused: u64,
    /// Time of the database that hits made unnecessary.
    pub saved: Duration,
}

impl TenantReport {
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self {
            counts: self.counts.plus(&other.counts),
            entries: self.entries + other.entries,
            own_bytes: self.own_bytes + other.own_bytes,
            common_bytes: self.common_bytes + other.common_bytes,
            bumps: self.bumps + other.bumps,
            kept: self.kept + other.kept,
            refused: self.refused + other.refused,
            saved: self.saved + other.saved,
        }
    }
}
