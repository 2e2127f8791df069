//! What the requests of each tenant take.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fairlead_domain::identity::TenantId;
use fairlead_domain::performance::{LatencySketch, Taken};
use fairlead_telemetry::turn_of_this_thread;

use super::times::{BUCKETS, bucket};

/// Threads rarely meet at one lock.
const SHARDS: usize = 16;
/// How many tenants a thread counts one by one.
const MOST: usize = 2_000;
/// Of how many more it keeps what they have taken until it is asked for.
const MOST_DROPPED: usize = 20_000;
/// How many routes of tenants a thread tells apart within an interval, at 3 KiB each. Who asks most is there first.
const MOST_ROUTES: usize = 512;

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

/// What the requests of a tenant have taken by one method of one route, within an interval.
#[derive(Clone, Debug)]
pub(crate) struct RouteUse {
    pub(crate) method: &'static str,
    /// The pattern.
    pub(crate) route: Box<str>,
    pub(crate) times: LatencySketch,
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
    /// Of all tenants together, since they were last asked for.
    routes: usize,
}

#[derive(Debug, Default)]
struct Counted {
    of: TenantUse,
    /// What of it was told already by [`TenantMeters::take`].
    told: Taken,
    /// Since [`TenantMeters::take_routes`].
    routes: Vec<RouteUse>,
}

impl TenantMeters {
    /// `route` is the pattern, if one was found.
    pub(super) fn note(
        &self,
        tenant: Option<TenantId>,
        method: &'static str,
        route: Option<&str>,
        request: &TenantUse,
    ) {
        let mut counts = lock(&self.0[turn_of_this_thread() % SHARDS]);
        let Some(tenant) = tenant else {
            counts.nobodys.add(request);
            return;
        };
        if !counts.tenants.contains_key(&tenant) && counts.tenants.len() >= MOST {
            counts.drop_the_quieter_half();
        }
        let Counts { tenants, routes, .. } = &mut *counts;
        let counted = tenants.entry(tenant).or_default();
        counted.of.add(request);
        if let Some(route) = route {
            *routes += counted.note_route(method, route, request, *routes < MOST_ROUTES);
        }
    }

    /// What each tenant has taken by each route since this was last asked. One alone may ask.
    pub(crate) fn take_routes(&self) -> Vec<(TenantId, RouteUse)> {
        let mut all: HashMap<TenantId, Vec<RouteUse>> = HashMap::new();
        for shard in &*self.0 {
            let mut counts = lock(shard);
            counts.routes = 0;
            for (tenant, counted) in &mut counts.tenants {
                for of in std::mem::take(&mut counted.routes) {
                    let routes = all.entry(*tenant).or_default();
                    match routes.iter_mut().find(|known| known.is(of.method, &of.route)) {
                        Some(known) => known.merge(&of),
                        None => routes.push(of),
                    }
                }
            }
        }
        let each = all.into_iter();
        each.flat_map(|(tenant, routes)| routes.into_iter().map(move |of| (tenant, of)))
            .collect()
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

    /// Returns how many routes more are told apart now.
    fn note_route(
        &mut self,
        method: &'static str,
        route: &str,
        request: &TenantUse,
        may_grow: bool,
    ) -> usize {
        if let Some(known) = self.routes.iter_mut().find(|known| known.is(method, route)) {
            known.add(request);
            return 0;
        }
        if !may_grow {
            return 0;
        }
        let mut new = RouteUse {
            method,
            route: route.into(),
            times: LatencySketch::default(),
            database: Duration::ZERO,
        };
        new.add(request);
        self.routes.push(new);
        1
    }
}

impl RouteUse {
    fn is(&self, method: &str, route: &str) -> bool {
        self.method == method && *self.route == *route
    }

    fn add(&mut self, request: &TenantUse) {
        self.times.note(request.time);
        self.database += request.database;
    }

    fn merge(&mut self, other: &Self) {
        self.times.merge(&other.times);
        self.database += other.database;
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
            self.routes -= counted.routes.len();
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
        meters.note(Some(tenant(1)), "GET", None, &request);
        meters.note(None, "GET", None, &request);
        let elsewhere = meters.clone();
        let thread = std::thread::spawn(move || {
            elsewhere.note(Some(tenant(2)), "GET", None, &request);
            elsewhere.note(Some(tenant(2)), "GET", None, &request);
            elsewhere.note(Some(tenant(1)), "GET", None, &request);
            elsewhere.note(Some(tenant(2)), "GET", None, &request);
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
            meters.note(Some(tenant(number)), "GET", None, &request);
            // The busy ones stay, whenever they came.
            if number % 500 == 0 {
                meters.note(Some(tenant(number)), "GET", None, &request);
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
        meters.note(Some(tenant(1)), "GET", None, &request);
        meters.note(Some(tenant(1)), "GET", None, &request);

        let told = [take(), take()];
        meters.note(Some(tenant(1)), "GET", None, &request);

        assert_eq!(told, [Some((2, 10)), None]);
        assert_eq!(take(), Some((1, 5)));
        assert_eq!(meters.read().tenants[0].1.requests(), 3);
    }

    #[test]
    fn routes_of_tenants_are_told_apart_from_one_interval_to_the_next() {
        let meters = TenantMeters::default();
        let request = |millis| TenantUse {
            database: Duration::from_millis(1),
            ..TenantUse::of(Duration::from_millis(millis))
        };
        for number in 1..=2 {
            for millis in 1..=20 {
                meters.note(Some(tenant(number)), "GET", Some("/leads"), &request(millis));
            }
            meters.note(Some(tenant(number)), "POST", Some("/leads"), &request(7));
            meters.note(Some(tenant(number)), "GET", None, &request(7));
        }
        for number in 0..2 * MOST_ROUTES as u128 {
            meters.note(Some(tenant(10 + number)), "GET", Some("/leads"), &request(1));
        }

        let routes = meters.take_routes();

        assert_eq!(routes.len(), MOST_ROUTES);
        let of = |number, method| {
            let found = routes
                .iter()
                .find(|(who, of)| *who == tenant(number) && of.is(method, "/leads"));
            let (_, of) = found.unwrap();
            (of.times.count(), of.database.as_millis())
        };
        assert_eq!(
            [of(1, "GET"), of(2, "GET"), of(2, "POST")],
            [(20, 20), (20, 20), (1, 1)]
        );
        assert!(meters.take_routes().is_empty());
        meters.note(Some(tenant(5)), "GET", Some("/leads"), &request(1));
        assert_eq!(meters.take_routes().len(), 1, "there is room again");
    }
}
