//! Whose turn it is to read the log for a client that catches up.
//!
//! A client that is behind has the primary read for it as fast as it takes what is read. So a tenant's clients read two at
//! a time, and those of all tenants no more than leave the requests of others connections.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fairlead_domain::identity::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const OF_TENANT: usize = 2;
/// Of all tenants; where that is more than half of the connections there are, half of them.
const OF_ALL: usize = 8;

/// The turns of a process. Its clones are the same ones.
#[derive(Clone)]
pub struct CatchUpTurns {
    all: Arc<Semaphore>,
    tenants: Arc<Mutex<HashMap<TenantId, Arc<Semaphore>>>>,
}

/// May read, until it is dropped.
pub(super) struct Turn {
    // In the order in which they are given back: who waits for the tenant's finds one of all free.
    _of_all: OwnedSemaphorePermit,
    _of_tenant: Place,
}

/// A tenant's permit, with which the tenant is forgotten where it was the last.
struct Place {
    permit: Option<OwnedSemaphorePermit>,
    semaphore: Option<Arc<Semaphore>>,
    turns: CatchUpTurns,
    tenant: TenantId,
}

/// One that waits for its turn; whoever drops it gives up its place.
pub(super) type Waiting = Pin<Box<dyn Future<Output = Turn> + Send>>;

impl CatchUpTurns {
    /// For a process that has so many connections to the primary.
    pub fn new(connections: u32) -> Self {
        let of_all = (connections as usize / 2).clamp(1, OF_ALL);
        Self {
            all: Arc::new(Semaphore::new(of_all)),
            tenants: Arc::default(),
        }
    }

    /// Queues up: first in the tenant, so that not many of one tenant stand in front of the others.
    pub(super) fn queue(&self, tenant: TenantId) -> Waiting {
        let turns = self.clone();
        Box::pin(async move {
            let mut of_tenant = turns.enter(tenant);
            of_tenant.wait().await;
            let of_all = Arc::clone(&turns.all).acquire_owned().await;
            Turn {
                _of_all: of_all.expect("the turns are never closed"),
                _of_tenant: of_tenant,
            }
        })
    }

    fn enter(&self, tenant: TenantId) -> Place {
        let mut tenants = self.tenants();
        let semaphore = tenants
            .entry(tenant)
            .or_insert_with(|| Arc::new(Semaphore::new(OF_TENANT)));
        Place {
            permit: None,
            semaphore: Some(Arc::clone(semaphore)),
            turns: self.clone(),
            tenant,
        }
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Semaphore>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    async fn wait(&mut self) {
        if let Some(semaphore) = self.semaphore.clone() {
            let permit = semaphore.acquire_owned().await;
            self.permit = Some(permit.expect("the turns are never closed"));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut tenants = self.turns.tenants();
        // Before the count: a permit holds on to the semaphore.
        self.permit = None;
        self.semaphore = None;
        if tenants
            .get(&self.tenant)
            .is_some_and(|left| Arc::strong_count(left) == 1)
        {
            tenants.remove(&self.tenant);
        }
    }
}

impl fmt::Debug for CatchUpTurns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatchUpTurns")
            .field("left", &self.all.available_permits())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(number))
    }

    /// Those of the waiting that have their turn now.
    fn called(waiting: &mut Vec<Waiting>) -> Vec<Turn> {
        let mut turns = Vec::new();
        waiting.retain_mut(|one| {
            let turn = one.now_or_never();
            let waits = turn.is_none();
            turns.extend(turn);
            waits
        });
        turns
    }

    #[test]
    fn many_of_a_tenant_leave_turns_to_others_and_all_together_are_bounded() {
        let turns = CatchUpTurns::new(20);
        let mut of_one: Vec<_> = (0..200).map(|_| turns.queue(tenant(1))).collect();
        let read = called(&mut of_one);
        assert_eq!(read.len(), OF_TENANT);

        let mut of_others: Vec<_> = (2..100).map(|number| turns.queue(tenant(number))).collect();
        assert_eq!(called(&mut of_others).len(), OF_ALL - OF_TENANT);

        drop(read);
        let mut rest = called(&mut of_one).len() + called(&mut of_others).len();
        assert!(rest >= 1, "who is done makes room");
        while !(of_one.is_empty() && of_others.is_empty()) {
            let more = called(&mut of_one).len() + called(&mut of_others).len();
            assert!(more > 0, "{rest} have had their turn, and no more do");
            rest += more;
        }
        assert!(turns.tenants().is_empty(), "who is done is forgotten");
        assert_eq!(turns.all.available_permits(), OF_ALL);
    }

    #[test]
    fn who_gives_up_waiting_leaves_nothing_behind() {
        let turns = CatchUpTurns::new(2);
        let mut first = vec![turns.queue(tenant(1))];
        let read = called(&mut first);
        let mut others = vec![turns.queue(tenant(1)), turns.queue(tenant(2))];
        assert!(called(&mut others).is_empty(), "half of two connections is one");

        drop(others.remove(0));
        drop(read);

        assert_eq!(called(&mut others).len(), 1);
        assert!(turns.tenants().is_empty());
    }
}
