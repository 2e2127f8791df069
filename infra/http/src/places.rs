//! How many calls of one webhook are under way in this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fairlead_domain::webhooks::{Place, WebhookId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// A receiver that answers has a place free before this is over.
const PATIENCE: Duration = Duration::from_secs(1);
/// Webhooks that are remembered without a call under way.
const REMEMBERED: usize = 1_000;

/// The places of all webhooks, so many for each.
#[derive(Debug)]
pub(crate) struct Places {
    each: usize,
    of: Mutex<HashMap<WebhookId, Arc<Lane>>>,
}

/// The places of one webhook.
#[derive(Debug)]
struct Lane {
    free: Arc<Semaphore>,
    /// Whether somebody has waited for one in vain, and nobody has had one since. Then nobody waits.
    is_stuck: AtomicBool,
}

/// A place that is taken.
#[derive(Debug)]
struct Taken(#[expect(dead_code, reason = "kept until the call is over")] OwnedSemaphorePermit);

impl Place for Taken {}

impl Places {
    pub(crate) fn new(each: usize) -> Self {
        Self {
            each,
            of: Mutex::default(),
        }
    }

    pub(crate) async fn take(&self, of: WebhookId) -> Option<Box<dyn Place>> {
        let lane = self.lane(of);
        let patience = if lane.is_stuck.load(Ordering::Relaxed) {
            Duration::ZERO
        } else {
            PATIENCE
        };
        // A place that is free is taken however short the patience.
        let taken = timeout(patience, Arc::clone(&lane.free).acquire_owned()).await;
        let permit = taken.ok().and_then(Result::ok);
        lane.is_stuck.store(permit.is_none(), Ordering::Relaxed);
        Some(Box::new(Taken(permit?)))
    }

    fn lane(&self, of: WebhookId) -> Arc<Lane> {
        let mut lanes = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= REMEMBERED && !lanes.contains_key(&of) {
            lanes.retain(|_, lane| lane.free.available_permits() < self.each);
        }
        let lane = lanes.entry(of).or_insert_with(|| {
            Arc::new(Lane {
                free: Arc::new(Semaphore::new(self.each)),
                is_stuck: AtomicBool::new(false),
            })
        });
        Arc::clone(lane)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test]
    async fn a_webhook_has_so_many_places_and_nobody_waits_twice_for_one_that_is_stuck() {
        let places = Places::new(2);
        let [one, other]: [WebhookId; 2] = [1, 2].map(|number| {
            let id = format!("01934f6e-0000-7000-8000-00000000000{number}");
            id.parse().unwrap()
        });
        let first = places.take(one).await.expect("one is free");
        let _second = places.take(one).await.expect("one is free");

        let began = Instant::now();
        assert!(places.take(one).await.is_none());
        let waited = began.elapsed();
        assert!(waited >= PATIENCE, "{waited:?}");
        for _ in 0..100 {
            assert!(places.take(one).await.is_none());
        }
        assert!(began.elapsed() < waited + PATIENCE, "nobody waits any more");
        assert!(places.take(other).await.is_some(), "it is another's");

        drop(first);
        let again = places.take(one).await;
        assert!(again.is_some());
        // Whoever comes now waits as before, and is served.
        let (late, ()) = tokio::join!(places.take(one), async {
            sleep(PATIENCE / 10).await;
            drop(again);
        });
        assert!(late.is_some());
    }
}
