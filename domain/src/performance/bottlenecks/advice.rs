use super::{Act, Advice, Cause, Evidence, Fact, QueryUse, Resource};
use crate::performance::statistics::{real_u64, share};

/// What says that a cause is one.
pub(super) fn facts(evidence: &Evidence, cause: &Cause) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut fact = |name, value: Option<f64>, unit| {
        facts.extend(value.map(|value| Fact { name, value, unit }));
    };
    match cause {
        Cause::SlowQuery(fingerprint) | Cause::RepeatedQuery(fingerprint) => {
            let all = Total::of(evidence, fingerprint);
            fact("calls", Some(all.calls), "calls");
            fact("meanTime", share(all.ms, all.calls), "ms");
            fact("callsPerRequest", share(all.calls, all.requests), "calls");
            fact(
                "rowsReadPerRowReturned",
                all.read.and_then(|read| share(read, all.returned)),
                "rows",
            );
        }
        Cause::Lock(relation) => {
            let waits = evidence.locks.iter().filter(|lock| lock.relation == *relation);
            fact("waited", Some(waits.clone().map(|lock| lock.wait_ms).sum()), "ms");
            fact(
                "holder",
                waits.filter_map(|lock| lock.holder).map(f64::from).next(),
                "pid",
            );
        }
        Cause::Pool(name) => {
            if let Some(pool) = evidence.pools.iter().find(|pool| pool.name == *name) {
                fact("connections", Some(pool.connections.into()), "connections");
                fact("waited", Some(pool.wait_ms), "ms");
                fact("lent", Some(pool.lent_ms), "ms");
            }
        }
        Cause::CacheMisses(route) => {
            if let Some(cache) = evidence.caches.iter().find(|cache| cache.route == *route) {
                let lookups = real_u64(cache.lookups);
                fact("lookups", Some(lookups), "lookups");
                fact("hits", share(real_u64(cache.hits), lookups), "share");
            }
        }
        Cause::SharedCache => {
            let waits = || evidence.routes.iter().filter(|route| route.shared_cache_ms > 0.0);
            let requests = waits().map(|route| real_u64(route.requests)).sum();
            fact("requests", Some(requests), "requests");
            fact(
                "meanTime",
                share(waits().map(|route| route.shared_cache_ms).sum(), requests),
                "ms",
            );
        }
        Cause::Upstream(name) => {
            let all = || {
                evidence
                    .upstreams
                    .iter()
                    .filter(|upstream| upstream.name == *name)
            };
            let calls = all().map(|upstream| real_u64(upstream.calls)).sum();
            let failures = all().map(|upstream| real_u64(upstream.failures)).sum();
            fact("calls", Some(calls), "calls");
            fact(
                "meanTime",
                share(all().map(|upstream| upstream.total_ms).sum(), calls),
                "ms",
            );
            fact("failures", share(failures, calls), "share");
        }
        Cause::Cpu => {
            fact("coresBusy", evidence.cpu.map(|cpu| cpu.busy), "cores");
            fact("cores", evidence.cpu.map(|cpu| cpu.cores), "cores");
        }
        Cause::Queue(name) => {
            if let Some(queue) = evidence.queues.iter().find(|queue| queue.name == *name) {
                fact("waiting", Some(real_u64(queue.waiting)), "jobs");
                fact("oldestWait", Some(queue.oldest_wait_ms), "ms");
                fact("finished", Some(real_u64(queue.finished)), "jobs");
            }
        }
        Cause::Exhaustion { resource, name } => {
            let is_it = |limit: &&super::LimitUse| limit.resource == *resource && limit.name == *name;
            let limit = evidence.limits.iter().find(is_it);
            fact("used", limit.map(|limit| limit.used), "units");
            fact("limit", limit.map(|limit| limit.limit), "units");
        }
    }
    facts
}

/// What a statement took, for all routes.
struct Total {
    calls: f64,
    requests: f64,
    ms: f64,
    read: Option<f64>,
    returned: f64,
}

impl Total {
    fn of(evidence: &Evidence, fingerprint: &str) -> Self {
        let all: Vec<&QueryUse> = evidence
            .queries
            .iter()
            .filter(|query| query.fingerprint == fingerprint)
            .collect();
        let sum = |value: fn(&QueryUse) -> u64| all.iter().map(|query| real_u64(value(query))).sum();
        let asks = |route: &str| all.iter().any(|query| query.route == route);
        let routes = evidence.routes.iter().filter(|route| asks(&route.route));
        Self {
            calls: sum(|query| query.calls),
            requests: routes.map(|route| real_u64(route.requests)).sum(),
            ms: all.iter().map(|query| query.total_ms).sum(),
            read: all.iter().map(|query| query.rows_read.map(real_u64)).sum(),
            returned: sum(|query| query.rows_returned),
        }
    }
}

/// What to do about a cause.
pub(super) fn advice(evidence: &Evidence, cause: &Cause) -> Advice {
    let (act, text) = match cause {
        Cause::SlowQuery(fingerprint) => {
            let all = Total::of(evidence, fingerprint);
            let wasted = all.read.and_then(|read| share(read, all.returned.max(1.0)));
            let text = match wasted {
                Some(wasted) if wasted >= 20.0 => format!(
                    "Statement {fingerprint} looks at {wasted:.0} rows for each that it returns. Analyse it, and index what it \
                     filters and sorts by."
                ),
                _ => format!(
                    "Analyse statement {fingerprint}: index what it filters and sorts by, or have it return less at once."
                ),
            };
            (Act::AddIndex, text)
        }
        Cause::RepeatedQuery(fingerprint) => {
            let all = Total::of(evidence, fingerprint);
            let times = share(all.calls, all.requests).unwrap_or_default();
            let text = format!(
                "Statement {fingerprint} is asked {times:.0} times for each request. Ask it once, for all that the request needs."
            );
            (Act::AskOnce, text)
        }
        Cause::Lock(relation) => {
            let text = format!(
                "Others wait for what is locked in {relation}. Lock later or less of it, and commit sooner; call nobody \
                 meanwhile."
            );
            (Act::ShortenTransaction, text)
        }
        Cause::Pool(name) => (Act::EnlargePool, pool(evidence, name)),
        Cause::CacheMisses(route) => {
            let text = format!(
                "Too few answers of {route} are there when they are asked for. Keep them for longer or keep more of them, warm \
                 them, and see what drops them."
            );
            (Act::KeepLonger, text)
        }
        Cause::SharedCache => {
            let text = "Requests wait for the cache that processes share. See how far away it is and what keeps it busy (SLOWLOG, \
                        evictions, other users); answers that are kept in memory do not wait for it.";
            (Act::MendCache, text.to_owned())
        }
        Cause::Upstream(name) => {
            let text = format!(
                "Requests wait for {name}. Call it from a job, or answer without it sooner: shorten its time-out, and let its \
                 breaker open."
            );
            (Act::CallElsewhere, text)
        }
        Cause::Cpu => {
            let text = "All cores are busy, so requests wait for one. Add a process or cores, or shed what can wait.";
            (Act::AddCores, text.to_owned())
        }
        Cause::Queue(name) => {
            let text = format!(
                "Jobs of {name} wait for long. Add workers, or give what takes long a queue of its own."
            );
            (Act::AddWorkers, text)
        }
        Cause::Exhaustion { resource, name } => (Act::AddCapacity, capacity(*resource, name)),
    };
    Advice { act, text }
}

fn pool(evidence: &Evidence, name: &str) -> String {
    let worked: f64 = evidence
        .queries
        .iter()
        .filter(|query| query.pool == name)
        .map(|query| query.total_ms)
        .sum();
    let pool = evidence.pools.iter().find(|pool| pool.name == name);
    let idle = pool.is_some_and(|pool| worked < 0.5 * pool.lent_ms);
    if idle && worked > 0.0 {
        format!(
            "Connections of {name} are lent for more than twice as long as their statements take. Give them back sooner, or \
             else enlarge the pool."
        )
    } else {
        format!(
            "Requests wait for connections of {name}, and what these are lent for is in order. Enlarge the pool."
        )
    }
}

fn capacity(resource: Resource, name: &str) -> String {
    let text = match resource {
        Resource::Memory => "Shrink caches, find what grows, or give the process more.",
        Resource::Storage => "Archive what is old, or add disk space.",
        Resource::Bandwidth => "Compress answers, keep assets elsewhere, or add bandwidth.",
        Resource::DatabaseConnections => {
            "Put a pooler before the database, read from replicas, or allow more connections."
        }
        Resource::CacheMemory => "Let entries expire sooner, or use a cluster.",
        Resource::Sockets => "Add processes, and share sockets among them.",
        Resource::Cpu | Resource::Queue => "Add processes.",
    };
    format!("{name} is nearly used up. {text}")
}
