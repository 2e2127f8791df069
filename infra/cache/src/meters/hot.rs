use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::memory::MemoryKey;

/// How many keys are watched at a time.
const WATCHED: usize = 256;

/// The keys whose hits save the database the most time.
///
/// Space-Saving (Metwally, Agrawal, El Abbadi: Efficient computation of frequent and top-k elements in data streams,
/// 2005): a key that is new takes the place, and the count, of the least. So memory is constant, no key that saves more
/// than a 256th of all is missed, and `error` says how much of a count may be another's.
#[derive(Debug, Default)]
pub(crate) struct HotKeys {
    watched: Mutex<HashMap<Arc<MemoryKey>, Saved>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Saved {
    pub(crate) saved: Duration,
    pub(crate) error: Duration,
}

impl HotKeys {
    pub(crate) fn add(&self, key: &Arc<MemoryKey>, saved: Duration) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = watched.get_mut(key) {
            known.saved += saved;
            return;
        }
        let mut error = Duration::ZERO;
        if watched.len() >= WATCHED {
            let least = watched.iter().min_by_key(|(_, known)| known.saved);
            if let Some((least, known)) = least.map(|(least, known)| (Arc::clone(least), *known)) {
                error = known.saved;
                watched.remove(&least);
            }
        }
        let saved = saved + error;
        watched.insert(Arc::clone(key), Saved { saved, error });
    }

    /// The first `count`, most first.
    pub(crate) fn top(&self, count: usize) -> Vec<(Arc<MemoryKey>, Saved)> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut top: Vec<_> = watched
            .iter()
            .map(|(key, saved)| (Arc::clone(key), *saved))
            .collect();
        drop(watched);
        top.sort_by_key(|(_, saved)| std::cmp::Reverse(saved.saved));
        top.truncate(count);
        top
    }
}

#[cfg(test)]
mod tests {
    use fairlead_domain::cache::{CacheKey, Namespace};
    use fairlead_domain::identity::TenantId;
    use uuid::Uuid;

    use super::*;

    fn key(number: usize) -> Arc<MemoryKey> {
        Arc::new(MemoryKey {
            tenant: TenantId::from_uuid(Uuid::from_u128(1)),
            key: CacheKey::new(Namespace::Lead, number.to_string()),
        })
    }

    #[test]
    fn the_hottest_keys_stay_in_sight_among_many_others() {
        let hot = HotKeys::default();
        for number in 0..10_000 {
            hot.add(&key(number), Duration::from_micros(1));
            hot.add(&key(number % 3), Duration::from_millis(1));
        }

        let top = hot.top(3);

        let mut numbers: Vec<_> = top.iter().map(|(key, _)| key.key.variant()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, ["0", "1", "2"]);
        assert!(
            top.iter()
                .all(|(_, saved)| saved.saved >= saved.error + Duration::from_secs(3))
        );
        assert_eq!(hot.top(1_000).len(), WATCHED);
    }
}
