use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fairlead_domain::identity::TenantId;
use fairlead_domain::voice::{CommandType, VoiceStatus};

const TYPES: usize = CommandType::ALL.len() + 1;
const STATUSES: usize = VoiceStatus::ALL.len();

/// How often which kind of command came to what: by type, those that were not understood last, and by status.
pub(crate) type VoiceCounters = [u64; TYPES * STATUSES];

/// How many tenants are counted one by one.
const MAX_TENANTS: usize = 1_000;

/// Counts commands, in memory that does not grow with them.
#[derive(Clone, Debug, Default)]
pub struct VoiceMeters(Arc<Mutex<Counts>>);

#[derive(Debug)]
struct Counts {
    tenants: HashMap<TenantId, VoiceCounters>,
    /// Of those who are counted one by one no more.
    rest: VoiceCounters,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            tenants: HashMap::new(),
            rest: [0; TYPES * STATUSES],
        }
    }
}

impl VoiceMeters {
    pub(super) fn note(&self, tenant: TenantId, command: Option<CommandType>, status: VoiceStatus) {
        let mut counts = self.lock();
        if !counts.tenants.contains_key(&tenant) && counts.tenants.len() >= MAX_TENANTS {
            counts.forget_the_quietest();
        }
        let kind = command.map_or(CommandType::ALL.len(), |command| command as usize);
        let counters = counts.tenants.entry(tenant).or_insert([0; TYPES * STATUSES]);
        counters[kind * STATUSES + status as usize] += 1;
    }

    /// The counters of tenants, the busiest first, and those of all others together.
    pub(crate) fn read(&self) -> (Vec<(TenantId, VoiceCounters)>, VoiceCounters) {
        let counts = self.lock();
        let mut tenants: Vec<_> = counts
            .tenants
            .iter()
            .map(|(tenant, counters)| (*tenant, *counters))
            .collect();
        tenants.sort_by_key(|(tenant, counters)| (std::cmp::Reverse(total(counters)), *tenant));
        (tenants, counts.rest)
    }

    /// What each of the counters counts: type and status.
    pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
        let types = CommandType::ALL.map(Some).into_iter().chain([None]);
        types.flat_map(|kind| VoiceStatus::ALL.map(|status| (CommandType::name(kind), status.as_str())))
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn forget_the_quietest(&mut self) {
        let quietest = self.tenants.iter().min_by_key(|(_, counters)| total(counters));
        if let Some(tenant) = quietest.map(|(tenant, _)| *tenant)
            && let Some(counters) = self.tenants.remove(&tenant)
        {
            for (rest, counter) in self.rest.iter_mut().zip(counters) {
                *rest += counter;
            }
        }
    }
}

fn total(counters: &VoiceCounters) -> u64 {
    counters.iter().sum()
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn tenants_beyond_those_that_are_counted_are_one() {
        let meters = VoiceMeters::default();
        let tenant = |number| Id::from_uuid(Uuid::from_u128(number));
        for number in 1..=MAX_TENANTS as u128 + 5 {
            let twice = usize::from(number == 7);
            for _ in 0..=twice {
                meters.note(tenant(number), None, VoiceStatus::Error);
            }
        }

        let (tenants, rest) = meters.read();

        assert_eq!((tenants.len(), total(&rest)), (MAX_TENANTS, 5));
        assert_eq!((tenants[0].0, total(&tenants[0].1)), (tenant(7), 2));
        let last = VoiceMeters::names().last().unwrap();
        assert_eq!((last, rest.last()), (("unknown", "error"), Some(&5)));
    }
}
