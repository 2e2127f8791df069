//! What the requests of each tenant take.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fairlead_domain::identity::TenantId;
use fairlead_telemetry::turn_of_this_thread;

use super::times::{BUCKETS, bucket};

/// Threads rarely meet at one lock.
const SHARDS: usize = 16;
/// How many tenants a thread counts one by one.
const MOST: usize = 2_000;

/// What requests have taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TenantUse {
    /// How many took how long, by the bounds of [`BOUNDS_MS`](super::BOUNDS_MS).
    pub(crate) counts: [u64; BUCKETS],
    pub(crate) time: Duration,
    /// Answers with a status from 500.
    pub(crate) failed: u64,
    /// Of bodies, as far as requests told their length.
    pub(crate) received_bytes: u64,
    /// Of bodies; those of streams are not known.
    pub(crate) sent_bytes: u64,
    pub(crate) statements: u64,
    /// Returned or changed.
    pub(crate) rows: u64,
    pub(crate) database: Duration,
}

/// Counts what the requests of tenants take, in memory that does not grow with them. All clones count together.
#[derive(Clone, Debug, Default)]
pub struct TenantMeters(Arc<[Mutex<Counts>; SHARDS]>);

/// What all tenants have taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfTenants {
    /// Those with the most requests come first.
    pub(crate) tenants: Vec<(TenantId, TenantUse)>,
    /// Of those who are counted one by one no more.
    pub(crate) rest: TenantUse,
    /// Of operators, strangers, and whatever is public.
    pub(crate) nobodys: TenantUse,
}

#[derive(Debug, Default)]
struct Counts {
    tenants: HashMap<TenantId, TenantUse>,
    rest: TenantUse,
    nobodys: TenantUse,
}

impl TenantMeters {
    pub(super) fn note(&self, tenant: Option<TenantId>, request: &TenantUse) {
        let mut counts = lock(&self.0[turn_of_this_thread() % SHARDS]);
        let Some(tenant) = tenant else {
            counts.nobodys.add(request);
            return;
        };
        if !counts.tenants.contains_key(&tenant) && counts.tenants.len() >= MOST {
            counts.forget_the_quietest();
        }
        counts.tenants.entry(tenant).or_default().add(request);
    }

    pub(crate) fn read(&self) -> OfTenants {
        let mut all = OfTenants::default();
        let mut tenants: HashMap<TenantId, TenantUse> = HashMap::new();
        for shard in &*self.0 {
            let counts = lock(shard);
            all.rest.add(&counts.rest);
            all.nobodys.add(&counts.nobodys);
            for (tenant, of) in &counts.tenants {
                tenants.entry(*tenant).or_default().add(of);
            }
        }
        all.tenants = tenants.into_iter().collect();
        all.tenants
            .sort_by_key(|(tenant, of)| (Reverse(of.requests()), *tenant));
        all
    }
}

impl TenantUse {
    pub(super) fn of(took: Duration) -> Self {
        let mut request = Self {
            time: took,
            ..Self::default()
        };
        request.counts[bucket(took)] = 1;
        request
    }

    pub(crate) fn requests(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.time += other.time;
        self.failed += other.failed;
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.statements += other.statements;
        self.rows += other.rows;
        self.database += other.database;
    }
}

impl Counts {
    fn forget_the_quietest(&mut self) {
        let quietest = self.tenants.iter().min_by_key(|(_, of)| of.requests());
        if let Some(tenant) = quietest.map(|(tenant, _)| *tenant)
            && let Some(of) = self.tenants.remove(&tenant)
        {
            self.rest.add(&of);
        }
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn tenants_are_counted_one_by_one_and_nobody_apart() {
        let meters = TenantMeters::default();
        let request = TenantUse {
            rows: 5,
            ..TenantUse::of(Duration::from_millis(2))
        };
        meters.note(Some(tenant(1)), &request);
        meters.note(None, &request);
        let elsewhere = meters.clone();
        let thread = std::thread::spawn(move || {
            elsewhere.note(Some(tenant(2)), &request);
            elsewhere.note(Some(tenant(2)), &request);
            elsewhere.note(Some(tenant(1)), &request);
            elsewhere.note(Some(tenant(2)), &request);
        });
        thread.join().unwrap();

        let all = meters.read();

        let told: Vec<_> = all
            .tenants
            .iter()
            .map(|(who, of)| (*who, of.requests(), of.rows))
            .collect();
        assert_eq!(told, [(tenant(2), 3, 15), (tenant(1), 2, 10)]);
        assert_eq!((all.nobodys.requests(), all.rest.requests()), (1, 0));
    }

    #[test]
    fn memory_does_not_grow_with_tenants_and_none_is_lost() {
        let meters = TenantMeters::default();
        for number in 1..=MOST as u128 + 7 {
            meters.note(Some(tenant(number)), &TenantUse::of(Duration::ZERO));
        }

        let all = meters.read();

        assert_eq!((all.tenants.len(), all.rest.requests()), (MOST, 7));
    }
}
