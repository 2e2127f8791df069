//! Counters by tenant, of which only so many have series of their own: there may be any number of tenants.

use std::collections::HashMap;

use fairlead_domain::identity::TenantId;

use super::OTHERS;
use crate::tenant_counters::TenantCounters;

/// `N` counters of each tenant.
pub(super) type Counters<const N: usize> = [u64; N];

/// Splits counters into those of listed tenants and those of all others.
///
/// A tenant brings along what it has done when it comes onto the list, and takes it away when it leaves. Prometheus
/// takes a counter that goes down for one that began anew, so the others' do not follow: they add up what the others did
/// from one look to the next.
#[derive(Debug)]
pub(super) struct Listing<const N: usize> {
    length: usize,
    /// At the last look, of those tenants that were told of one by one.
    tenants: HashMap<TenantId, Counters<N>>,
    total: Counters<N>,
    others: Counters<N>,
}

impl<const N: usize> Listing<N> {
    /// Lists `length` tenants at the most.
    pub(super) fn new(length: usize) -> Self {
        Self {
            length,
            tenants: HashMap::new(),
            total: [0; N],
            others: [0; N],
        }
    }

    /// Takes in counters as they are now: of tenants, the most important first, and the sum of the `rest`. Returns how
    /// many of the tenants are listed, and the counters of all others.
    pub(super) fn look(
        &mut self,
        tenants: &[(TenantId, Counters<N>)],
        rest: Counters<N>,
    ) -> (usize, Counters<N>) {
        let listed = self.length.min(tenants.len());
        let total = sum(tenants.iter().map(|(_, counters)| *counters).chain([rest]));
        let of_listed = sum(tenants[..listed].iter().map(|(tenant, now)| {
            // Who was not told of before is new, or was among the rest: then its past is taken off once too often.
            let before = self.tenants.get(tenant).copied().unwrap_or([0; N]);
            difference(*now, before)
        }));
        let of_others = difference(difference(total, self.total), of_listed);
        self.others = sum([self.others, of_others]);
        self.total = total;
        self.tenants = tenants.iter().copied().collect();
        (listed, self.others)
    }

    /// Tells of each listed tenant, and of all others as one.
    pub(super) fn each(&mut self, counted: &TenantCounters<N>, mut tell: impl FnMut(&str, Counters<N>)) {
        let (tenants, rest) = counted.read();
        let (listed, others) = self.look(&tenants, rest);
        for (tenant, counters) in &tenants[..listed] {
            tell(&tenant.to_string(), *counters);
        }
        tell(OTHERS, others);
    }
}

fn sum<const N: usize>(all: impl IntoIterator<Item = Counters<N>>) -> Counters<N> {
    all.into_iter().fold([0; N], |sum, counters| {
        std::array::from_fn(|place| sum[place] + counters[place])
    })
}

/// Counters are read one after the other while they grow, so one may seem to be behind: that counts as none.
fn difference<const N: usize>(now: Counters<N>, before: Counters<N>) -> Counters<N> {
    std::array::from_fn(|place| now[place].saturating_sub(before[place]))
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;

    fn tenant(number: u128) -> TenantId {
        Id::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn what_is_not_listed_is_told_of_as_one() {
        let mut listing = Listing::new(1);

        let looked = listing.look(&[(tenant(1), [9, 2]), (tenant(2), [5, 1])], [3, 0]);

        assert_eq!(looked, (1, [8, 1]));
    }

    #[test]
    fn the_others_never_go_down_when_tenants_come_and_go() {
        let mut listing = Listing::new(1);
        listing.look(&[(tenant(1), [9]), (tenant(2), [5])], [0]);

        // The second overtakes the first: of its fifteen, five were told of as the others'.
        let (_, others) = listing.look(&[(tenant(2), [15]), (tenant(1), [10])], [0]);
        assert_eq!(others, [5 + 1]);

        // The first comes back, and what the second does now is the others' again.
        let (_, others) = listing.look(&[(tenant(1), [30]), (tenant(2), [17])], [4]);
        assert_eq!(others, [6 + 2 + 4]);

        // The second is forgotten: its counters go into the rest.
        let (_, others) = listing.look(&[(tenant(1), [31])], [4 + 17]);
        assert_eq!(others, [12]);
    }

    #[test]
    fn everybody_may_be_listed_and_nobody() {
        let tenants = [(tenant(1), [9]), (tenant(2), [5])];

        assert_eq!(Listing::new(5).look(&tenants, [0]), (2, [0]));
        assert_eq!(Listing::new(0).look(&tenants, [0]), (0, [14]));
    }
}
