use std::time::Duration;

use super::watched::Count;

/// How much time the hits of a key have saved the database.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Saved {
    pub(crate) saved: Duration,
    /// How much of that may be another's, whose place the key took.
    pub(crate) error: Duration,
}

impl From<Duration> for Saved {
    fn from(saved: Duration) -> Self {
        Self {
            saved,
            error: Duration::ZERO,
        }
    }
}

impl Count for Saved {
    type Weight = Duration;

    fn add(&mut self, more: Self) {
        self.saved += more.saved;
    }

    fn weight(self) -> Duration {
        self.saved
    }

    fn in_place_of(weight: Duration) -> Self {
        Self {
            saved: weight,
            error: weight,
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
    fn the_hottest_keys_stay_in_sight_among_many_others() {
        let hot = Watched::<Saved>::default();
        for number in 0..10_000 {
            hot.add(&key(number), Duration::from_micros(1).into());
            hot.add(&key(number % 3), Duration::from_millis(1).into());
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
