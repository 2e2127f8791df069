//! What held requests up within an interval, as far as it was measured.

use std::collections::BTreeMap;
use std::thread::available_parallelism;
use std::time::Duration;

use fairlead_domain::performance::Fingerprint;
use fairlead_domain::performance::bottlenecks::{
    CpuUse, Evidence, LimitUse, LockWait, PoolUse, QueryUse, Resource, RouteTime, UpstreamUse,
};

use super::capacity::{in_use, real};
use super::figures::Measured;
use crate::middleware::{Times, Waited};
use crate::state::Services;
use crate::units::milliseconds;

/// By which statements of requests run. Which statement has run as which role is not kept: nearly all run as this one.
const POOL_OF_REQUESTS: &str = "app";

/// What the requests of a method and route have taken, since the start.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteSpent {
    requests: u64,
    time: Duration,
    waited: Waited,
    statements: BTreeMap<Fingerprint, StatementSpent>,
}

#[derive(Clone, Copy, Debug, Default)]
struct StatementSpent {
    calls: u64,
    rows: u64,
    time: Duration,
}

/// The connections of one role to all servers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PoolSpent {
    connections: u32,
    lent: Duration,
    waited: Duration,
}

impl RouteSpent {
    pub(super) fn add(&mut self, times: &Times) {
        self.requests += times.sketch.count();
        self.time += times.sketch.sum();
        self.waited.add(&times.waited);
        for statement in &times.statements {
            let known = self.statements.entry(statement.fingerprint).or_default();
            known.calls += statement.calls;
            known.rows += statement.rows;
            known.time += statement.time;
        }
    }

    fn time(&self, name: &str, earlier: &Self) -> RouteTime {
        let waited = self.waited.since(&earlier.waited);
        RouteTime {
            route: name.to_owned(),
            requests: self.requests.saturating_sub(earlier.requests),
            total_ms: milliseconds(self.time.saturating_sub(earlier.time)),
            queue_ms: milliseconds(waited.admission),
            pool_wait_ms: milliseconds(waited.pool),
            sql_ms: milliseconds(waited.database),
            shared_cache_ms: milliseconds(waited.shared_cache),
            upstream_ms: milliseconds(waited.upstreams),
        }
    }

    fn queries(&self, name: &str, earlier: &Self) -> Vec<QueryUse> {
        let nothing = StatementSpent::default();
        let told = self
            .statements
            .iter()
            .filter(|(fingerprint, _)| **fingerprint != Fingerprint::OTHERS);
        let since = told.map(|(fingerprint, spent)| {
            let before = earlier.statements.get(fingerprint).unwrap_or(&nothing);
            QueryUse {
                fingerprint: fingerprint.to_string(),
                route: name.to_owned(),
                pool: POOL_OF_REQUESTS.to_owned(),
                calls: spent.calls.saturating_sub(before.calls),
                total_ms: milliseconds(spent.time.saturating_sub(before.time)),
                rows_read: None,
                rows_returned: spent.rows.saturating_sub(before.rows),
            }
        });
        since.filter(|query| query.calls > 0).collect()
    }
}

/// What calls to a service took, whoever made them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UpstreamSpent {
    calls: u64,
    failures: u64,
    time: Duration,
}

impl UpstreamSpent {
    fn since(&self, earlier: &Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(earlier.calls),
            failures: self.failures.saturating_sub(earlier.failures),
            time: self.time.saturating_sub(earlier.time),
        }
    }
}

/// By service.
pub(super) fn upstreams(services: &Services) -> BTreeMap<&'static str, UpstreamSpent> {
    let all = services.upstreams.report().into_iter();
    all.map(|report| {
        let spent = UpstreamSpent {
            calls: report.attempts.counts.iter().sum(),
            failures: report.faults.iter().sum(),
            time: report.attempts.sum,
        };
        (report.name, spent)
    })
    .collect()
}

/// By role.
pub(super) fn pools(services: &Services) -> BTreeMap<&'static str, PoolSpent> {
    let mut all: BTreeMap<_, PoolSpent> = BTreeMap::new();
    for pool in services.nodes.nodes().iter().flat_map(|node| &node.pools) {
        let spent = all.entry(pool.role).or_default();
        spent.connections += pool.max;
        spent.lent += pool.lent_time;
        spent.waited += pool.wait_time;
    }
    all
}

/// What was measured between two looks, and what is nearly used up now.
pub(super) fn between(services: &Services, earlier: &Measured, later: &Measured) -> Evidence {
    let mut evidence = Evidence {
        cpu: cpu(earlier, later),
        limits: limits(services),
        ..Evidence::default()
    };
    let nothing = RouteSpent::default();
    for (name, spent) in &later.spent {
        let before = earlier.spent.get(name).unwrap_or(&nothing);
        let time = spent.time(name, before);
        if time.requests > 0 {
            evidence.routes.push(time);
            evidence.queries.extend(spent.queries(name, before));
        }
    }
    let none = PoolSpent::default();
    let pools = later.pools.iter().map(|(role, spent)| {
        let before = earlier.pools.get(role).unwrap_or(&none);
        PoolUse {
            name: (*role).to_owned(),
            connections: spent.connections,
            lent_ms: milliseconds(spent.lent.saturating_sub(before.lent)),
            wait_ms: milliseconds(spent.waited.saturating_sub(before.waited)),
        }
    });
    evidence.pools = pools.collect();
    evidence.upstreams = upstreams_of_routes(&evidence.routes, earlier, later);
    evidence.locks = locks_of_statements(services, &evidence.queries, earlier, later);
    evidence
}

/// Which service a route has called is not kept by request: what its requests have waited is laid to those that were called
/// within the interval, as they took their time.
fn upstreams_of_routes(routes: &[RouteTime], earlier: &Measured, later: &Measured) -> Vec<UpstreamUse> {
    let nothing = UpstreamSpent::default();
    let lately: Vec<_> = later
        .upstreams
        .iter()
        .map(|(name, spent)| {
            (
                *name,
                spent.since(earlier.upstreams.get(name).unwrap_or(&nothing)),
            )
        })
        .filter(|(_, spent)| spent.calls > 0)
        .collect();
    let whole: f64 = lately.iter().map(|(_, spent)| milliseconds(spent.time)).sum();
    let mut all = Vec::new();
    for route in routes
        .iter()
        .filter(|route| route.upstream_ms > 0.0 && whole > 0.0)
    {
        for (name, spent) in &lately {
            let part = route.upstream_ms / whole;
            all.push(UpstreamUse {
                name: (*name).to_owned(),
                route: route.route.clone(),
                calls: part_of(spent.calls, part),
                total_ms: milliseconds(spent.time) * part,
                failures: part_of(spent.failures, part),
            });
        }
    }
    all
}

/// Which statement waits is not seen by who looks: waits for a table are laid to the statements that name it, as they took
/// their time.
fn locks_of_statements(
    services: &Services,
    queries: &[QueryUse],
    earlier: &Measured,
    later: &Measured,
) -> Vec<LockWait> {
    let mut all = Vec::new();
    // Mostly nobody waits, and then they are not asked for.
    let mut texts = None;
    for (relation, time) in &later.locks {
        let before = earlier
            .locks
            .get(relation)
            .map_or(Duration::ZERO, |before| before.waited);
        let waited = milliseconds(time.waited.saturating_sub(before));
        if waited <= 0.0 {
            continue;
        }
        let name = relation.rsplit('.').next().unwrap_or(relation).trim_matches('"');
        let texts = texts.get_or_insert_with(|| texts_of(services, queries));
        let named: Vec<_> = queries
            .iter()
            .zip(&*texts)
            .filter(|(_, text)| text.as_ref().is_some_and(|text| tells(text, name)))
            .map(|(query, _)| query)
            .collect();
        let whole: f64 = named.iter().map(|query| query.total_ms).sum();
        for query in named.iter().filter(|_| whole > 0.0) {
            all.push(LockWait {
                relation: relation.to_string(),
                fingerprint: query.fingerprint.clone(),
                route: query.route.clone(),
                wait_ms: waited * query.total_ms / whole,
                holder: time.holder,
            });
        }
    }
    all
}

/// What each of them says.
fn texts_of(services: &Services, queries: &[QueryUse]) -> Vec<Option<Box<str>>> {
    let text = |query: &QueryUse| services.statements.text(Fingerprint::parse(&query.fingerprint)?);
    queries.iter().map(text).collect()
}

/// Whether a statement names a table.
fn tells(text: &str, table: &str) -> bool {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut words = text.split(|character| !is_part(character));
    words.any(|word| word == table)
}

fn part_of(count: u64, part: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a count; the cast saturates"
    )]
    let part = (real(count) * part).round() as u64;
    part
}

fn cpu(earlier: &Measured, later: &Measured) -> Option<CpuUse> {
    Some(CpuUse {
        cores: real(available_parallelism().ok()?.get() as u64),
        busy: later.processors_since(earlier)?,
    })
}

fn limits(services: &Services) -> Vec<LimitUse> {
    let known = in_use(services).into_iter().filter_map(|of| {
        Some(LimitUse {
            resource: of.resource,
            name: of.resource.as_str().to_owned(),
            used: of.used?,
            limit: of.limit?,
        })
    });
    // A cache that is full does what it is for.
    known.filter(|of| of.resource != Resource::CacheMemory).collect()
}
