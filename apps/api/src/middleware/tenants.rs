//! What the requests of each tenant take.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fairlead_domain::identity::TenantId;
use fairlead_domain::performance::Taken;
use fairlead_telemetry::turn_of_this_thread;

use super::times::{BUCKETS, bucket};

/// Threads rarely meet at one lock.
const SHARDS: usize = 16;
/// How many tenants a thread counts one by one.
const MOST: usize = 2_000;
/// Of how many more it keeps what they have taken until it is asked for.
const MOST_DROPPED: usize = 20_000;

/// What requests have taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TenantUse {
    /// How many took how long, by the bounds of [`BOUNDS_MS`](super::BOUNDS_MS).
    pub(crate) counts: [u64; BUCKETS],
    pub(crate) time: Duration,
    /// Answers with a status from 500.
    pub(crate) failed: u64,
    /// Answers that count where a plan limits the calls of the API.
    pub(crate) calls: u64,
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
    tenants: HashMap<TenantId, Counted>,
    rest: TenantUse,
    nobodys: TenantUse,
    /// What those have taken that are counted one by one no more.
    dropped: HashMap<TenantId, Taken>,
}

#[derive(Debug, Default)]
struct Counted {
    of: TenantUse,
    /// What of it was told already by [`TenantMeters::take`].
    told: Taken,
}

impl TenantMeters {
    pub(super) fn note(&self, tenant: Option<TenantId>, request: &TenantUse) {
        let mut counts = lock(&self.0[turn_of_this_thread() % SHARDS]);
        let Some(tenant) = tenant else {
            counts.nobodys.add(request);
            return;
        };
        if !counts.tenants.contains_key(&tenant) && counts.tenants.len() >= MOST {
            counts.drop_the_quieter_half();
        }
        counts.tenants.entry(tenant).or_default().of.add(request);
    }

    /// What each tenant has taken since this was last asked. One alone may ask.
    pub(crate) fn take(&self) -> HashMap<TenantId, Taken> {
        let mut all: HashMap<TenantId, Taken> = HashMap::new();
        for shard in &*self.0 {
            let mut counts = lock(shard);
            let dropped = std::mem::take(&mut counts.dropped);
            let counted = counts.tenants.iter_mut();
            let counted = counted.map(|(tenant, counted)| (*tenant, counted.take()));
            for (tenant, taken) in dropped.into_iter().chain(counted) {
                if !taken.is_nothing() {
                    all.entry(tenant).or_default().add(&taken);
                }
            }
        }
        all
    }

    pub(crate) fn read(&self) -> OfTenants {
        let mut all = OfTenants::default();
        let mut tenants: HashMap<TenantId, TenantUse> = HashMap::new();
        for shard in &*self.0 {
            let counts = lock(shard);
            all.rest.add(&counts.rest);
            all.nobodys.add(&counts.nobodys);
            for (tenant, counted) in &counts.tenants {
                tenants.entry(*tenant).or_default().add(&counted.of);
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
        self.calls += other.calls;
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.statements += other.statements;
        self.rows += other.rows;
        self.database += other.database;
    }
}

impl Counted {
    fn take(&mut self) -> Taken {
        let all = Taken::from(&self.of);
        let taken = all.since(&self.told);
        self.told = all;
        taken
    }
}

impl From<&TenantUse> for Taken {
    fn from(of: &TenantUse) -> Self {
        Self {
            requests: of.requests(),
            failed: of.failed,
            calls: of.calls,
            request_time: of.time,
            received_bytes: of.received_bytes,
            sent_bytes: of.sent_bytes,
            statements: of.statements,
            rows: of.rows,
            database_time: of.database,
            ..Self::default()
        }
    }
}

impl Counts {
    /// Half at once: so that of many tenants each pays for a look at two.
    fn drop_the_quieter_half(&mut self) {
        let mut requests: Vec<u64> = self
            .tenants
            .values()
            .map(|counted| counted.of.requests())
            .collect();
        let half = requests.len() / 2;
        if half == 0 {
            return;
        }
        let (quieter, middle, _) = requests.select_nth_unstable(half);
        let middle = *middle;
        // Those before the middle, of which as many have as many requests as it.
        let mut ties = quieter.iter().filter(|requests| **requests == middle).count();
        let dropped = self.tenants.extract_if(|_, counted| {
            let requests = counted.of.requests();
            let is_tie = requests == middle && ties > 0;
            ties -= usize::from(is_tie);
            is_tie || requests < middle
        });
        for (tenant, mut counted) in dropped {
            self.rest.add(&counted.of);
            if self.dropped.len() < MOST_DROPPED || self.dropped.contains_key(&tenant) {
                self.dropped.entry(tenant).or_default().add(&counted.take());
            }
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
        let request = TenantUse::of(Duration::ZERO);
        for number in 1..=3 * MOST as u128 + 7 {
            meters.note(Some(tenant(number)), &request);
            // The busy ones stay, whenever they came.
            if number % 500 == 0 {
                meters.note(Some(tenant(number)), &request);
            }
        }

        let all = meters.read();
        let taken = meters.take();

        assert!(all.tenants.len() <= MOST);
        let counted: u64 = all.tenants.iter().map(|(_, of)| of.requests()).sum();
        assert_eq!(counted + all.rest.requests(), 3 * MOST as u64 + 7 + 12);
        for number in (500..=3 * MOST as u128).step_by(500) {
            assert!(
                all.tenants
                    .iter()
                    .any(|(who, of)| *who == tenant(number) && of.requests() == 2)
            );
        }
        assert_eq!(taken.len(), 3 * MOST + 7);
        assert_eq!(
            taken.values().map(|taken| taken.requests).sum::<u64>(),
            3 * MOST as u64 + 7 + 12
        );
    }

    #[test]
    fn what_tenants_have_taken_is_told_once() {
        let meters = TenantMeters::default();
        let request = TenantUse {
            rows: 5,
            ..TenantUse::of(Duration::from_millis(2))
        };
        let take = || {
            meters
                .take()
                .get(&tenant(1))
                .map(|taken| (taken.requests, taken.rows))
        };
        meters.note(Some(tenant(1)), &request);
        meters.note(Some(tenant(1)), &request);

        let told = [take(), take()];
        meters.note(Some(tenant(1)), &request);

        assert_eq!(told, [Some((2, 10)), None]);
        assert_eq!(take(), Some((1, 5)));
        assert_eq!(meters.read().tenants[0].1.requests(), 3);
    }
}
