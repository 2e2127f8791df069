use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use fairlead_domain::identity::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// The places for calls that are under way at once, of which one tenant has half at the most: so one whose calls are slow
/// leaves some to the others.
#[derive(Debug)]
pub(super) struct Slots {
    places: usize,
    all: Semaphore,
    /// Of tenants that have calls under way, or wait.
    shares: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    _place: SemaphorePermit<'a>,
    _share: Option<OwnedSemaphorePermit>,
}

impl Slots {
    pub(super) fn new(places: usize) -> Self {
        Self {
            places,
            all: Semaphore::new(places),
            shares: Mutex::default(),
        }
    }

    /// Waits for a place. Who has its share waits for its own calls, and keeps no place from others meanwhile.
    pub(super) async fn acquire(&self, tenant: Option<TenantId>) -> Slot<'_> {
        let share = match tenant {
            Some(tenant) => {
                let acquired = self.share(tenant).acquire_owned().await;
                Some(acquired.expect("it is never closed"))
            }
            None => None,
        };
        Slot {
            _place: self.all.acquire().await.expect("it is never closed"),
            _share: share,
        }
    }

    pub(super) fn taken(&self) -> usize {
        self.places.saturating_sub(self.all.available_permits())
    }

    fn share(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        // Who has a place or waits for one has a copy: there are never more entries than of those.
        shares.retain(|_, share| Arc::strong_count(share) > 1);
        let most = self.places.div_ceil(2);
        let share = shares.entry(tenant);
        Arc::clone(share.or_insert_with(|| Arc::new(Semaphore::new(most))))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn is_given(slots: &Slots, tenant: u8) -> Option<Slot<'_>> {
        let tenant = format!("00000000-0000-0000-0000-{tenant:012}").parse().unwrap();
        timeout(Duration::from_millis(20), slots.acquire(Some(tenant)))
            .await
            .ok()
    }

    #[tokio::test]
    async fn a_tenant_has_half_of_the_places_and_one_at_the_least() {
        for (places, share) in [(1, 1), (2, 1), (4, 2), (5, 3)] {
            let slots = Slots::new(places);
            let mut held = Vec::new();
            while let Some(slot) = is_given(&slots, 1).await {
                held.push(slot);
            }

            assert_eq!((held.len(), slots.taken()), (share, share), "of {places}");
            assert_eq!(is_given(&slots, 2).await.is_some(), places > share, "of {places}");
            held.pop();
            assert!(is_given(&slots, 1).await.is_some(), "what has ended makes room");
            drop(held);
            assert_eq!(slots.taken(), 0);
            is_given(&slots, 3).await.unwrap();
            assert_eq!(slots.shares.lock().unwrap().len(), 1, "others are forgotten");
        }
    }
}
