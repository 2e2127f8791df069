//! Operations that somebody watches.
//!
//! Progress is no event: it would be one for each thousand rows. So a task looks at each operation that is watched, and
//! tells all who watch it here: what that costs the database does not grow with how many they are.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fairlead_domain::access::TenantScope;
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::identity::TenantId;
use fairlead_domain::operations::{Operation, OperationId, OperationKind};
use fairlead_domain::store::{Store, StoreError};
use fairlead_telemetry::request::{self, RequestContext, RequestId, TraceContext};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::Instrument as _;

/// An operation that moves is looked at so often, and one that does not less and less often.
const LOOK_FIRST: Duration = Duration::from_millis(250);
const LOOK_LAST: Duration = Duration::from_secs(2);

/// The operations that are watched in this process. Its clones are the same one.
#[derive(Clone)]
pub struct OperationWatches(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    watched: Mutex<HashMap<(TenantId, OperationId), watch::Sender<Sight>>>,
}

/// What was seen of an operation last.
#[derive(Clone, Debug)]
pub(crate) enum Sight {
    Is(Arc<Operation>),
    Gone,
}

impl Sight {
    /// Whether nothing else will be seen.
    fn is_last(&self) -> bool {
        match self {
            Self::Is(operation) => operation.has_ended(),
            Self::Gone => true,
        }
    }
}

impl OperationWatches {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(Arc::new(Shared {
            store,
            watched: Mutex::default(),
        }))
    }

    /// Watches an operation that was seen just now.
    pub(super) fn watch(&self, scope: &TenantScope, seen: Operation) -> watch::Receiver<Sight> {
        let key = (scope.tenant(), seen.id());
        let mut watched = self.watched();
        let sight = Sight::Is(Arc::new(seen));
        if let Some(sights) = watched.get(&key) {
            // It may be newer than what was seen at the last look.
            sights.send_if_modified(|last| replace(last, sight));
            return sights.subscribe();
        }
        let is_last = sight.is_last();
        let (sights, receiver) = watch::channel(sight);
        if !is_last {
            watched.insert(key, sights.clone());
            self.go_on_looking(scope.clone(), key.1, sights);
        }
        receiver
    }

    /// Looks for others too, when the time of who asked first is over: what it costs is put down to nobody, and no trace is
    /// told of it.
    #[expect(
        clippy::disallowed_methods,
        reason = "it outlives the request that happens to be the first to watch"
    )]
    fn go_on_looking(&self, scope: TenantScope, id: OperationId, sights: watch::Sender<Sight>) {
        let nobody = RequestContext::new(RequestId::random(), TraceContext::begin(), None);
        let look = look(self.clone(), scope, id, sights);
        tokio::spawn(request::scope(Arc::new(nobody), async move {
            let span = tracing::info_span!("watch operation", operation.id = %id);
            look.instrument(span).await;
        }));
    }

    /// Forgets an operation that nobody watches any more, or of which nothing else will be seen.
    fn forget(&self, key: (TenantId, OperationId), sights: &watch::Sender<Sight>) -> bool {
        let mut watched = self.watched();
        let is_over = sights.receiver_count() == 0 || sights.borrow().is_last();
        if is_over {
            watched.remove(&key);
        }
        is_over
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<(TenantId, OperationId), watch::Sender<Sight>>> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at an operation for as long as it is watched.
async fn look(watches: OperationWatches, scope: TenantScope, id: OperationId, sights: watch::Sender<Sight>) {
    let mut pause = LOOK_FIRST;
    while !watches.forget((scope.tenant(), id), &sights) {
        sleep(pause).await;
        let has_changed = match see(&*watches.0.store, &scope, id).await {
            Ok(sight) => sights.send_if_modified(|last| replace(last, sight)),
            // Those who watch wait with us; a database that is away is told of elsewhere.
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, operation.id = %id, "cannot look at an operation that is watched");
                false
            }
        };
        pause = if has_changed {
            LOOK_FIRST
        } else {
            LOOK_LAST.min(pause * 2)
        };
    }
}

async fn see(store: &dyn Store, scope: &TenantScope, id: OperationId) -> Result<Sight, StoreError> {
    let mut uow = store.read(scope, ReadIntent::STRONG).await?;
    let found = uow.operations().look(id, &OperationKind::ALL).await?;
    Ok(found.map_or(Sight::Gone, |operation| Sight::Is(Arc::new(operation))))
}

/// Takes what is news: an operation as it was earlier, which a node that lags behind still shows, is none.
fn replace(last: &mut Sight, sight: Sight) -> bool {
    let is_news = match (&*last, &sight) {
        (Sight::Is(last), Sight::Is(now)) => now.record().updated_at > last.record().updated_at,
        (Sight::Is(_), Sight::Gone) => true,
        (Sight::Gone, Sight::Is(_) | Sight::Gone) => false,
    };
    if is_news {
        *last = sight;
    }
    is_news
}

impl fmt::Debug for OperationWatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationWatches")
            .field("watched", &self.watched().len())
            .finish_non_exhaustive()
    }
}
