use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::memory::MemoryKey;

/// How many keys are watched at a time.
const WATCHED: usize = 256;

/// How often each of the keys that are asked for most was answered without a load.
///
/// Space-Saving, as for [`HotKeys`](super::HotKeys): a key that is new takes the place, and the count, of the least. What
/// it was asked before it came is not known, so its hits and misses are those since.
#[derive(Debug, Default)]
pub(crate) struct KeyRates {
    watched: Mutex<HashMap<Arc<MemoryKey>, Rate>>,
}

/// What was asked of a key since it is watched.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    /// Requests of keys that had its place before.
    error: u64,
}

impl Rate {
    fn weight(self) -> u64 {
        self.error + self.hits + self.misses
    }
}

impl KeyRates {
    pub(crate) fn note(&self, key: &Arc<MemoryKey>, hits: u64, misses: u64) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = watched.get_mut(key) {
            known.hits += hits;
            known.misses += misses;
            return;
        }
        let mut error = 0;
        if watched.len() >= WATCHED {
            let least = watched.iter().min_by_key(|(_, known)| known.weight());
            if let Some((least, known)) = least.map(|(least, known)| (Arc::clone(least), *known)) {
                error = known.weight();
                watched.remove(&least);
            }
        }
        watched.insert(Arc::clone(key), Rate { hits, misses, error });
    }

    /// The first `count`, those asked for most first.
    pub(crate) fn top(&self, count: usize) -> Vec<(Arc<MemoryKey>, Rate)> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut top: Vec<_> = watched
            .iter()
            .map(|(key, rate)| (Arc::clone(key), *rate))
            .collect();
        drop(watched);
        top.sort_by_key(|(_, rate)| std::cmp::Reverse(rate.weight()));
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
    fn keys_that_are_asked_for_most_stay_in_sight_however_many_others_there_are() {
        let rates = KeyRates::default();
        for number in 0..10_000 {
            rates.note(&key(number), 0, 1);
            rates.note(&key(7), 16, 0);
            if number % 2 == 0 {
                rates.note(&key(8), 0, 1);
            }
        }

        let top = rates.top(2);

        let told: Vec<_> = top
            .iter()
            .map(|(key, rate)| (key.key.variant(), rate.hits, rate.misses))
            .collect();
        assert_eq!(told, [("7", 160_000, 1), ("8", 0, 5_001)]);
        assert_eq!(rates.top(1_000).len(), WATCHED, "memory is bounded");
    }
}
