//! Bumps that Redis has not been told.

use std::collections::{BTreeSet, HashMap};

use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;

/// Counters of one tenant, by name; beyond that the whole tenant is bumped.
const MOST_COUNTERS: usize = 512;
/// Beyond that everything is bumped.
const MOST_TENANTS: usize = 4_096;

/// What a tenant's bumps come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Debt {
    /// Names of counters; `None`: the whole tenant.
    pub(crate) counters: Option<BTreeSet<OwedCounter>>,
    /// The latest commit of all, if there was one.
    pub(crate) position: Option<LogPosition>,
}

/// A counter by its name in Redis and by the hash that processes tell each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OwedCounter {
    pub(crate) name: String,
    pub(crate) hash: u64,
}

/// What is to be told once Redis answers. Of bounded size: when there is too much, more than needed is bumped.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    by_tenant: HashMap<TenantId, Debt>,
    /// Everything is to be bumped, and must be read from here on.
    everything: Option<LogPosition>,
}

impl Owed {
    pub(crate) fn add(
        &mut self,
        tenant: TenantId,
        counters: impl IntoIterator<Item = OwedCounter>,
        position: Option<LogPosition>,
    ) {
        if let Some(bound) = &mut self.everything {
            *bound = later(*bound, position.unwrap_or(*bound));
            return;
        }
        let debt = self.by_tenant.entry(tenant).or_insert_with(|| Debt {
            counters: Some(BTreeSet::new()),
            position: None,
        });
        debt.position = match (debt.position, position) {
            (Some(one), Some(other)) => Some(later(one, other)),
            (one, other) => one.or(other),
        };
        if let Some(owed) = &mut debt.counters {
            owed.extend(counters);
            if owed.len() > MOST_COUNTERS {
                debt.counters = None;
            }
        }
        if self.by_tenant.len() > MOST_TENANTS {
            let positions = self.by_tenant.drain().filter_map(|(_, debt)| debt.position);
            self.everything = Some(positions.reduce(later).unwrap_or(LogPosition::UNKNOWN));
        }
    }

    /// Takes the debts of all tenants, to pay them.
    pub(crate) fn take(&mut self) -> HashMap<TenantId, Debt> {
        std::mem::take(&mut self.by_tenant)
    }

    pub(crate) fn take_everything(&mut self) -> Option<LogPosition> {
        self.everything.take()
    }

    /// Everything is owed again.
    pub(crate) fn owe_everything(&mut self, position: LogPosition) {
        self.everything = Some(self.everything.map_or(position, |known| later(known, position)));
    }

    /// Puts back what could not be paid.
    pub(crate) fn put_back(&mut self, tenant: TenantId, debt: Debt) {
        let is_whole = debt.counters.is_none();
        self.add(tenant, debt.counters.into_iter().flatten(), debt.position);
        if is_whole && let Some(owed) = self.by_tenant.get_mut(&tenant) {
            owed.counters = None;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_tenant.is_empty() && self.everything.is_none()
    }

    pub(crate) fn count(&self) -> u64 {
        let counters = self
            .by_tenant
            .values()
            .map(|debt| debt.counters.as_ref().map_or(1, BTreeSet::len));
        counters.sum::<usize>() as u64 + u64::from(self.everything.is_some())
    }
}

/// An unknown position asks for most: it may be any.
fn later(one: LogPosition, other: LogPosition) -> LogPosition {
    if one == LogPosition::UNKNOWN || other == LogPosition::UNKNOWN {
        LogPosition::UNKNOWN
    } else {
        one.latest(other)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(number))
    }

    fn counter(number: u64) -> OwedCounter {
        OwedCounter {
            name: format!("g:lead:{number}"),
            hash: number,
        }
    }

    fn at(lsn: u64) -> LogPosition {
        LogPosition::new(1, lsn)
    }

    #[test]
    fn debts_of_a_tenant_are_paid_together_up_to_the_latest_commit() {
        let mut owed = Owed::default();
        owed.add(tenant(1), [counter(1), counter(2)], Some(at(5)));
        owed.add(tenant(1), [counter(2)], Some(at(3)));
        owed.add(tenant(1), [], None);

        let debts = owed.take();
        let debt = debts[&tenant(1)].clone();
        assert_eq!(debt.position, Some(at(5)));
        assert_eq!(debt.counters, Some(BTreeSet::from([counter(1), counter(2)])));
        assert!(owed.is_empty());

        owed.put_back(tenant(1), debt);
        assert_eq!(owed.take(), debts);
    }

    #[test]
    fn too_many_counters_become_the_whole_tenant_and_too_many_tenants_everything() {
        let mut owed = Owed::default();
        owed.add(tenant(1), (0..600).map(counter), Some(at(5)));
        let debt = owed.take().remove(&tenant(1)).unwrap();
        assert_eq!(debt.counters, None);
        owed.put_back(tenant(1), debt);
        assert_eq!(owed.take()[&tenant(1)].counters, None);

        for number in 0..5_000_u64 {
            owed.add(tenant(number.into()), [counter(1)], Some(at(number)));
        }
        assert_eq!(owed.take_everything(), Some(at(4_999)));
        assert!(owed.is_empty());
    }
}
