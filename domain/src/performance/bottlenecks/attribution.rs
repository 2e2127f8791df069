use std::collections::BTreeMap;

use super::holders::holder;
use super::{Cause, Chain, Evidence, Link, RouteTime};
use crate::performance::statistics::{real_u64, share};

/// A statement takes long from this on, on average.
const SLOW_MS: f64 = 20.0;
/// One that is asked so often for each request is asked in a loop.
const REPEATED: f64 = 5.0;
/// Fewer lookups than these say nothing of a cache,
const FEWEST_LOOKUPS: u64 = 100;
/// whose answers are there too seldom below this,
const TOO_FEW_HITS: f64 = 0.8;
/// and would be with this.
const GOOD_HITS: f64 = 0.9;
/// A service is slow from this on, or when so many calls fail.
const SLOW_UPSTREAM_MS: f64 = 100.0;
const FAILING: f64 = 0.05;
/// The cache that processes share is slow for a route from this on, on average: what it is to answer within.
const SLOW_CACHE_MS: f64 = 5.0;
/// Work waits for cores from this on.
const BUSY: f64 = 0.85;

/// What causes cost each route.
#[derive(Debug, Default)]
pub(super) struct Attribution(BTreeMap<Cause, BTreeMap<String, Cost>>);

/// What a cause costs a route, and how it comes to.
#[derive(Clone, Debug)]
pub(super) struct Cost {
    pub(super) ms: f64,
    pub(super) chain: Chain,
    most: f64,
}

impl Attribution {
    pub(super) fn of(evidence: &Evidence) -> Self {
        let mut attribution = Self::default();
        for route in &evidence.routes {
            attribution.add_queries(evidence, route);
            attribution.add_upstreams(evidence, route);
            let cached = share(route.shared_cache_ms, real_u64(route.requests));
            if cached.is_some_and(|each| each >= SLOW_CACHE_MS) {
                let chain = vec![Link::SharedCache];
                attribution.add(Cause::SharedCache, &route.route, route.shared_cache_ms, chain);
            }
            if is_busy(evidence) {
                let ms = route.compute_ms() + route.queue_ms;
                attribution.add(Cause::Cpu, &route.route, ms, vec![Link::Cpu]);
            }
        }
        // Who holds connections is known once statements are judged.
        let waits = evidence.pools.iter().map(|pool| pool.wait_ms).sum();
        for pool in &evidence.pools {
            let holder = holder(evidence, pool);
            for route in &evidence.routes {
                let ms = route.pool_wait_ms * share(pool.wait_ms, waits).unwrap_or_default();
                let mut chain = vec![Link::Pool(pool.name.clone())];
                let cause = match &holder {
                    Some((cause, beyond)) => {
                        chain.extend(beyond.iter().cloned());
                        cause.clone()
                    }
                    None => Cause::Pool(pool.name.clone()),
                };
                attribution.add(cause, &route.route, ms, chain);
            }
        }
        attribution
    }

    pub(super) fn causes(&self) -> impl Iterator<Item = (&Cause, &BTreeMap<String, Cost>)> {
        self.0.iter()
    }

    fn add(&mut self, cause: Cause, route: &str, ms: f64, chain: Chain) {
        if ms <= 0.0 {
            return;
        }
        let costs = self.0.entry(cause).or_default();
        let cost = costs.entry(route.to_owned()).or_insert_with(|| Cost {
            ms: 0.0,
            chain: Vec::new(),
            most: 0.0,
        });
        cost.ms += ms;
        // Of several ways the one that costs most is told.
        if ms > cost.most {
            cost.most = ms;
            cost.chain = chain;
            cost.chain.insert(0, Link::Route(route.to_owned()));
        }
    }

    /// Gives the time of a route's statements to locks, to what is slow or repeated, and what is in order but would not have
    /// to be asked to the cache.
    fn add_queries(&mut self, evidence: &Evidence, route: &RouteTime) {
        let mut in_order = route.sql_ms;
        for query in evidence.queries.iter().filter(|query| query.route == route.route) {
            for (cause, ms, chain) in judged(evidence, query) {
                in_order -= ms;
                self.add(cause, &route.route, ms, chain);
            }
        }
        let cache = evidence.caches.iter().find(|cache| cache.route == route.route);
        if let Some(cache) = cache
            && cache.lookups >= FEWEST_LOOKUPS
        {
            let hits = real_u64(cache.hits) / real_u64(cache.lookups);
            if hits < TOO_FEW_HITS {
                let avoidable = 1.0 - (1.0 - GOOD_HITS) / (1.0 - hits);
                let chain = vec![Link::Cache(route.route.clone())];
                self.add(
                    Cause::CacheMisses(route.route.clone()),
                    &route.route,
                    in_order.max(0.0) * avoidable,
                    chain,
                );
            }
        }
    }

    fn add_upstreams(&mut self, evidence: &Evidence, route: &RouteTime) {
        for upstream in evidence
            .upstreams
            .iter()
            .filter(|upstream| upstream.route == route.route)
        {
            let calls = real_u64(upstream.calls);
            let each = share(upstream.total_ms, calls).unwrap_or_default();
            let failing = share(real_u64(upstream.failures), calls).unwrap_or_default();
            if each >= SLOW_UPSTREAM_MS || failing >= FAILING {
                let cause = Cause::Upstream(upstream.name.clone());
                let chain = vec![Link::Upstream(upstream.name.clone())];
                self.add(cause, &route.route, upstream.total_ms, chain);
            }
        }
    }
}

/// Which of a statement's time is whose fault; what is in order is nobody's.
pub(super) fn judged(evidence: &Evidence, query: &super::QueryUse) -> Vec<(Cause, f64, Chain)> {
    let link = Link::Query(query.fingerprint.clone());
    let mut judged = Vec::new();
    let mut work = query.total_ms;
    let locks = evidence.locks.iter().filter(|lock| {
        lock.fingerprint == query.fingerprint && lock.route == query.route && lock.wait_ms > 0.0
    });
    for lock in locks {
        let waited = lock.wait_ms.min(work);
        work -= waited;
        let chain = vec![link.clone(), Link::Lock(lock.relation.clone())];
        judged.push((Cause::Lock(lock.relation.clone()), waited, chain));
    }
    let calls = real_u64(query.calls);
    let requests = evidence
        .routes
        .iter()
        .find(|route| route.route == query.route)
        .map_or(0.0, |route| real_u64(route.requests));
    let chain = vec![link];
    if share(work, calls).is_some_and(|each| each >= SLOW_MS) {
        judged.push((Cause::SlowQuery(query.fingerprint.clone()), work, chain));
    } else if share(calls, requests).is_some_and(|times| times >= REPEATED) {
        // Asked once, it would take what it takes once.
        let avoidable = work * (1.0 - requests / calls);
        judged.push((Cause::RepeatedQuery(query.fingerprint.clone()), avoidable, chain));
    }
    judged
}

fn is_busy(evidence: &Evidence) -> bool {
    let used = evidence.cpu.and_then(|cpu| share(cpu.busy, cpu.cores));
    used.is_some_and(|used| used >= BUSY)
}
