//! One look-up per credential at a time, for all who present it meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::identity::{AuthenticateError, Verified};
use fairlead_domain::store::StoreError;
use fairlead_telemetry::{request, spawn};
use tokio::sync::watch;

use super::verified::{Hash, Seen};

/// How long a look-up may take, whoever waits for it.
const LIMIT: Duration = Duration::from_secs(10);

/// What a look-up has found. All who waited for it share that.
type Landing<T> = Result<Verified<T>, Arc<AuthenticateError>>;

/// The look-ups under way.
#[derive(Debug)]
pub(super) struct Lookups<T>(Arc<Mutex<HashMap<Hash, Lookup<T>>>>);

/// A look-up under way. Its clones are the same one.
#[derive(Debug)]
pub(super) struct Lookup<T> {
    /// What was known of revocations before it began.
    seen: Seen,
    began: Instant,
    landing: watch::Receiver<Option<Landing<T>>>,
}

impl<T> Default for Lookups<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Lookups<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Clone for Lookup<T> {
    fn clone(&self) -> Self {
        Self {
            seen: self.seen,
            began: self.began,
            landing: self.landing.clone(),
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Lookups<T> {
    /// Returns the look-up under way that has `seen` all that is known of revocations, else begins one. It goes on when
    /// those who wait for it give up, and `note` is told before anybody else what it has found.
    pub(super) fn join_or_begin<F>(
        &self,
        hash: Hash,
        seen: Seen,
        lookup: impl FnOnce() -> F,
        note: impl FnOnce(&Result<Verified<T>, AuthenticateError>) + Send + 'static,
    ) -> Lookup<T>
    where
        F: Future<Output = Result<Verified<T>, AuthenticateError>> + Send + 'static,
    {
        let mut under_way = self.lock();
        if let Some(known) = under_way.get(&hash).filter(|known| known.seen == seen) {
            return known.clone();
        }
        let (told, landing) = watch::channel(None);
        let begun = Lookup {
            seen,
            began: Instant::now(),
            landing,
        };
        under_way.insert(hash, begun.clone());
        drop(under_way);
        let listed = Listed {
            lookups: self.clone(),
            hash,
            lookup: begun.clone(),
        };
        let looking_up = lookup();
        let work = async move {
            let found = looking_up.await;
            note(&found);
            // Whoever comes from now on finds what was noted.
            drop(listed);
            told.send_replace(Some(found.map_err(Arc::new)));
        };
        match request::current() {
            Some(request) => spawn(request::scope(request.part(Instant::now() + LIMIT), work)),
            None => spawn(work),
        };
        begun
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Lookup<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Lookup<T> {
    /// Since it began.
    pub(super) fn under_way_for(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until it is over.
    pub(super) async fn landed(mut self) -> Result<T, AuthenticateError> {
        let landing = self.landing.wait_for(Option::is_some).await;
        match landing.ok().and_then(|landing| landing.clone()) {
            Some(Ok(verified)) => Ok(verified.who),
            Some(Err(error)) => Err(again(&error)),
            None => Err(StoreError::Unexpected("the look-up was given up".into()).into()),
        }
    }
}

/// The same error for one more of those who waited.
fn again(error: &Arc<AuthenticateError>) -> AuthenticateError {
    let shared = || Box::new(Shared(Arc::clone(error)));
    match &**error {
        AuthenticateError::Refused => AuthenticateError::Refused,
        AuthenticateError::Expired => AuthenticateError::Expired,
        AuthenticateError::SessionEnded => AuthenticateError::SessionEnded,
        AuthenticateError::Store(cause) => AuthenticateError::Store(match cause {
            StoreError::Contended => StoreError::Contended,
            StoreError::TimedOut => StoreError::TimedOut,
            StoreError::Unavailable(_) => StoreError::Unavailable(shared()),
            StoreError::Exhausted(_) => StoreError::Exhausted(shared()),
            StoreError::Interrupted(_) => StoreError::Interrupted(shared()),
            StoreError::InDoubt(_)
            | StoreError::OverPlan(_)
            | StoreError::Corrupt { .. }
            | StoreError::Unexpected(_) => StoreError::Unexpected(shared()),
        }),
    }
}

/// The error of a look-up that many waited for.
#[derive(Debug, thiserror::Error)]
#[error("the look-up of the credential has failed")]
struct Shared(#[source] Arc<AuthenticateError>);

/// A look-up on the list; dropping it takes it off, unless another has taken its place.
struct Listed<T: Clone + Send + Sync + 'static> {
    lookups: Lookups<T>,
    hash: Hash,
    lookup: Lookup<T>,
}

impl<T: Clone + Send + Sync + 'static> Drop for Listed<T> {
    fn drop(&mut self) {
        let mut under_way = self.lookups.lock();
        let is_it = |listed: &Lookup<T>| listed.landing.same_channel(&self.lookup.landing);
        if under_way.get(&self.hash).is_some_and(is_it) {
            under_way.remove(&self.hash);
        }
    }
}
