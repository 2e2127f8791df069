use super::watched::Count;

/// How often a key was answered without a load since it is watched, and how often not: what it was asked before is not
/// known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    /// Requests of keys that had its place before.
    error: u64,
}

impl Rate {
    pub(crate) fn of(hits: u64, misses: u64) -> Self {
        Self {
            hits,
            misses,
            error: 0,
        }
    }
}

impl Count for Rate {
    type Weight = u64;

    fn add(&mut self, more: Self) {
        self.hits += more.hits;
        self.misses += more.misses;
    }

    fn weight(self) -> u64 {
        self.error + self.hits + self.misses
    }

    fn in_place_of(weight: u64) -> Self {
        Self {
            error: weight,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fairlead_domain::cache::{CacheKey, Namespace};
    use fairlead_domain::identity::TenantId;
    use uuid::Uuid;

    use super::super::watched::{WATCHED, Watched};
    use super::*;
    use crate::memory::MemoryKey;

    fn key(number: usize) -> Arc<MemoryKey> {
        Arc::new(MemoryKey {
            tenant: TenantId::from_uuid(Uuid::from_u128(1)),
            key: CacheKey::new(Namespace::Lead, number.to_string()),
        })
    }

    #[test]
    fn keys_that_are_asked_for_most_stay_in_sight_however_many_others_there_are() {
        let rates = Watched::<Rate>::default();
        for number in 0..10_000 {
            rates.add(&key(number), Rate::of(0, 1));
            rates.add(&key(7), Rate::of(16, 0));
            if number % 2 == 0 {
                rates.add(&key(8), Rate::of(0, 1));
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
