//! Counters by tenant, in memory that does not grow with the tenants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fairlead_domain::identity::TenantId;

/// How many tenants are counted one by one.
const MAX_TENANTS: usize = 1_000;

/// `N` counters of each tenant. When there are more than a thousand tenants, the half that has counted least is counted
/// together from then on.
#[derive(Clone, Debug, Default)]
pub(crate) struct TenantCounters<const N: usize>(Arc<Mutex<Counts<N>>>);

#[derive(Debug)]
struct Counts<const N: usize> {
    tenants: HashMap<TenantId, [u64; N]>,
    /// Of those who are counted one by one no more.
    rest: [u64; N],
}

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self {
            tenants: HashMap::new(),
            rest: [0; N],
        }
    }
}

impl<const N: usize> TenantCounters<N> {
    /// Adds what `added` has at the place of each counter.
    pub(crate) fn add(&self, tenant: TenantId, added: [u64; N]) {
        let mut counts = self.lock();
        if !counts.tenants.contains_key(&tenant) && counts.tenants.len() >= MAX_TENANTS {
            counts.forget_the_quieter_half();
        }
        add(counts.tenants.entry(tenant).or_insert([0; N]), added);
    }

    /// The counters of tenants, the busiest first, and those of all others together.
    pub(crate) fn read(&self) -> (Vec<(TenantId, [u64; N])>, [u64; N]) {
        let counts = self.lock();
        let mut tenants: Vec<_> = counts
            .tenants
            .iter()
            .map(|(tenant, counters)| (*tenant, *counters))
            .collect();
        tenants.sort_by_key(|(tenant, counters)| (std::cmp::Reverse(total(counters)), *tenant));
        (tenants, counts.rest)
    }

    fn lock(&self) -> MutexGuard<'_, Counts<N>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<const N: usize> Counts<N> {
    /// Half of them at once: so the work of ordering them is shared by all who take their places.
    fn forget_the_quieter_half(&mut self) {
        let mut by_total: Vec<_> = self
            .tenants
            .iter()
            .map(|(tenant, counters)| (total(counters), *tenant))
            .collect();
        let half = by_total.len() / 2;
        by_total.select_nth_unstable(half);
        for (_, tenant) in &by_total[..half] {
            if let Some(counters) = self.tenants.remove(tenant) {
                add(&mut self.rest, counters);
            }
        }
    }
}

fn add<const N: usize>(counters: &mut [u64; N], added: [u64; N]) {
    for (counter, added) in counters.iter_mut().zip(added) {
        *counter += added;
    }
}

fn total(counters: &[u64]) -> u64 {
    counters.iter().sum()
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn tenants_beyond_those_that_are_counted_are_one() {
        let counters = TenantCounters::<2>::default();
        let tenant = |number| Id::from_uuid(Uuid::from_u128(number));
        for number in 1..=MAX_TENANTS as u128 + 5 {
            counters.add(tenant(number), [0, 1 + u64::from(number == 7)]);
        }

        let (tenants, rest) = counters.read();

        assert_eq!((tenants.len(), rest), (MAX_TENANTS / 2 + 5, [0, 500]));
        assert_eq!(tenants[0], (tenant(7), [0, 2]));
    }
}
