use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{CacheKey, Entry, Loaded, Tag};
use crate::access::TenantScope;
use crate::consistency::Consistency;
use crate::identity::TenantId;
use crate::store::StoreError;

/// Keeps answers of tenants, and brings each anew when what it tells of has changed.
#[async_trait]
pub trait ReadCache: Debug + Send + Sync {
    /// Returns the answer if this process's memory has it, valid, fresh and as new as `consistency` asks. Takes no lock
    /// that is held for long, and hardly ever allocates; `None` is the cue for [`ReadCache::get_or_load`].
    fn find(&self, scope: &TenantScope, key: &CacheKey, consistency: Consistency) -> Option<Found>;

    /// Returns the answer if this process's memory has it and nothing it tells of has changed, also when its time is over:
    /// what stands in for a new one while that cannot be had. As new as `consistency` asks it is, too.
    fn find_kept(&self, scope: &TenantScope, key: &CacheKey, consistency: Consistency) -> Option<Found>;

    /// Returns the answer from the nearest level that has it, else from `loader`.
    ///
    /// However many ask at once, one loader runs per key and process, and usually one in all processes. It goes on when
    /// those who wait for it give up. Whoever asks after a change never gets what was loaded before it.
    ///
    /// # Errors
    /// The loader's failure, when there is nothing older that may be served in its place.
    async fn get_or_load(
        &self,
        scope: &TenantScope,
        read: CacheRead<'_>,
        loader: Arc<dyn Loader>,
    ) -> Result<Found, LoadFailure>;
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct CacheRead<'a> {
    pub key: &'a CacheKey,
    /// All that the answer depends on. It is known before the load, because what the load must see depends on it.
    pub tags: &'a [Tag],
    /// What the caller must see.
    pub consistency: Consistency,
}

/// Knows of changes: those made here, and those that others have told of.
pub trait Changes: Debug + Send + Sync {
    /// Returns a number that is another one as soon as a change is known here that touches `tag` in `tenant`. Now and then
    /// it is another one without.
    fn mark(&self, tenant: TenantId, tag: Tag) -> u64;
}

/// Brings an answer from where it comes from.
#[async_trait]
pub trait Loader: Send + Sync {
    /// Reads at least as new as `consistency` asks.
    async fn load(&self, consistency: Consistency) -> Result<Loaded, LoadFailure>;
}

/// An answer, and where it came from.
#[derive(Clone, Debug)]
pub struct Found {
    pub entry: Arc<Entry>,
    pub source: Source,
    pub freshness: Freshness,
    /// How long ago it was loaded.
    pub age: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// This process's memory.
    Memory,
    /// The level that processes share.
    Shared,
    /// The loader ran for it; `Found::entry` says what it saw.
    Loader,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    Fresh,
    /// Its time is over; nothing it depends on has changed as far as is known, and it is being loaded anew.
    Stale,
    /// Its time is over, and loading it anew has failed for a reason that does not lie in what is asked for.
    Degraded,
}

/// Why a load failed. All who waited for the load share it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the answer could not be loaded")]
pub struct LoadFailure {
    cause: Arc<dyn Any + Send + Sync>,
    kind: FailureKind,
}

/// What a failure says of answers that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureKind {
    Definite,
    Trouble,
    Outage,
}

impl LoadFailure {
    /// It is an answer in itself, such as that the thing is not there: nothing older may stand in for it.
    pub fn definite<E: Send + Sync + 'static>(cause: E) -> Self {
        Self::of(FailureKind::Definite, cause)
    }

    /// This load has failed, or took too long: what has just expired is better than nothing.
    pub fn trouble<E: Send + Sync + 'static>(cause: E) -> Self {
        Self::of(FailureKind::Trouble, cause)
    }

    /// The database is out of reach, for this load and others: what is kept is better than nothing.
    pub fn outage<E: Send + Sync + 'static>(cause: E) -> Self {
        Self::of(FailureKind::Outage, cause)
    }

    fn of<E: Send + Sync + 'static>(kind: FailureKind, cause: E) -> Self {
        Self {
            cause: Arc::new(cause),
            kind,
        }
    }

    pub fn is_definite(&self) -> bool {
        self.kind == FailureKind::Definite
    }

    pub fn is_outage(&self) -> bool {
        self.kind == FailureKind::Outage
    }

    /// What the loader said, if it is an `E`.
    pub fn cause<E: Send + Sync + 'static>(&self) -> Option<&E> {
        self.cause.downcast_ref()
    }
}

impl From<StoreError> for LoadFailure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::outage(error),
            StoreError::Exhausted(_)
            | StoreError::Interrupted(_)
            | StoreError::InDoubt(_)
            | StoreError::TimedOut
            | StoreError::Contended
            | StoreError::OverPlan(_)
            | StoreError::Corrupt { .. }
            | StoreError::Unexpected(_) => Self::trouble(error),
        }
    }
}
