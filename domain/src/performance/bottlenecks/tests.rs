use proptest::prelude::*;

use super::*;

/// A minute in which all is well: two routes, answered in a few milliseconds.
fn healthy() -> Evidence {
    Evidence {
        routes: vec![
            route("GET /leads", 6_000, 8.0, 4.0),
            route("POST /leads", 600, 12.0, 6.0),
        ],
        queries: vec![
            query("list", "GET /leads", 6_000, 4.0),
            query("insert", "POST /leads", 600, 6.0),
        ],
        pools: vec![pool(10, 28_000.0, 300.0)],
        caches: vec![CacheUse {
            route: "GET /leads".to_owned(),
            lookups: 60_000,
            hits: 54_000,
        }],
        queues: vec![queue(3, 200.0, 500)],
        cpu: Some(CpuUse {
            cores: 4.0,
            busy: 1.5,
        }),
        limits: vec![limit(Resource::Memory, 300.0, 1_000.0)],
        ..Evidence::default()
    }
}

/// A route whose requests take so long, and of that so long for statements.
fn route(name: &str, requests: u32, ms: f64, sql_ms: f64) -> RouteTime {
    RouteTime {
        route: name.to_owned(),
        requests: requests.into(),
        total_ms: ms * f64::from(requests),
        sql_ms: sql_ms * f64::from(requests),
        ..RouteTime::default()
    }
}

fn query(fingerprint: &str, route: &str, calls: u32, ms: f64) -> QueryUse {
    QueryUse {
        fingerprint: fingerprint.to_owned(),
        route: route.to_owned(),
        pool: "primary".to_owned(),
        calls: calls.into(),
        total_ms: ms * f64::from(calls),
        rows_read: Some(u64::from(calls) * 50),
        rows_returned: u64::from(calls) * 50,
    }
}

fn pool(connections: u32, lent_ms: f64, wait_ms: f64) -> PoolUse {
    PoolUse {
        name: "primary".to_owned(),
        connections,
        lent_ms,
        wait_ms,
    }
}

fn queue(waiting: u64, oldest_wait_ms: f64, finished: u64) -> QueueUse {
    QueueUse {
        name: "default".to_owned(),
        waiting,
        oldest_wait_ms,
        finished,
        work_ms: 10_000.0,
    }
}

fn limit(resource: Resource, used: f64, limit: f64) -> LimitUse {
    LimitUse {
        resource,
        name: resource.as_str().to_owned(),
        used,
        limit,
    }
}

fn with(change: impl FnOnce(&mut Evidence)) -> Vec<Bottleneck> {
    let mut evidence = healthy();
    change(&mut evidence);
    find(&evidence)
}

fn slow_query(evidence: &mut Evidence) {
    evidence.routes[0] = route("GET /leads", 6_000, 125.0, 120.0);
    evidence.queries[0] = query("list", "GET /leads", 6_000, 120.0);
    evidence.queries[0].rows_read = Some(6_000 * 200_000);
}

fn repeated_query(evidence: &mut Evidence) {
    evidence.routes[0] = route("GET /leads", 6_000, 60.0, 55.0);
    evidence
        .queries
        .push(query("activities-of-one", "GET /leads", 300_000, 1.0));
}

/// Writers wait for a lock that an export holds, and so long hold connections for which readers wait.
fn lock(evidence: &mut Evidence) {
    evidence.routes[1] = route("POST /leads", 600, 900.0, 890.0);
    evidence.queries[1] = query("insert", "POST /leads", 600, 890.0);
    evidence.locks = vec![LockWait {
        relation: "lead_statistics".to_owned(),
        fingerprint: "insert".to_owned(),
        route: "POST /leads".to_owned(),
        wait_ms: 600.0 * 880.0,
        holder: Some(4_711),
    }];
    evidence.routes[0] = route("GET /leads", 6_000, 60.0, 4.0);
    evidence.routes[0].pool_wait_ms = 6_000.0 * 52.0;
    evidence.pools = vec![pool(10, 600_000.0, 312_000.0)];
}

fn small_pool(evidence: &mut Evidence) {
    evidence.routes[0] = route("GET /leads", 6_000, 30.0, 4.0);
    evidence.routes[0].pool_wait_ms = 6_000.0 * 22.0;
    evidence.pools = vec![pool(1, 28_000.0, 132_000.0)];
}

fn cache_off(evidence: &mut Evidence) {
    evidence.routes[0] = route("GET /leads", 60_000, 10.0, 8.0);
    evidence.queries[0] = query("list", "GET /leads", 60_000, 8.0);
    evidence.caches[0].hits = 0;
}

fn slow_upstream(evidence: &mut Evidence) {
    let mut score = route("POST /leads/{id}/score", 100, 2_000.0, 5.0);
    score.upstream_ms = 100.0 * 1_990.0;
    evidence.routes.push(score);
    evidence.upstreams = vec![UpstreamUse {
        name: "ai".to_owned(),
        route: "POST /leads/{id}/score".to_owned(),
        calls: 100,
        total_ms: 100.0 * 1_990.0,
        failures: 3,
    }];
}

fn busy_cores(evidence: &mut Evidence) {
    evidence.routes.push(route("POST /auth/login", 300, 400.0, 4.0));
    evidence.cpu = Some(CpuUse {
        cores: 4.0,
        busy: 3.9,
    });
}

fn backlog(evidence: &mut Evidence) {
    evidence.queues = vec![queue(5_000, 240_000.0, 500)];
}

fn full_disk(evidence: &mut Evidence) {
    evidence.limits.push(limit(Resource::Storage, 96.0, 100.0));
}

type Plant = fn(&mut Evidence);

#[test]
fn requests_that_wait_for_a_slow_shared_cache_are_laid_to_it() {
    let mut evidence = healthy();
    evidence.routes[0].total_ms += 6_000.0 * 20.0;
    evidence.routes[0].shared_cache_ms = 6_000.0 * 20.0;

    let found = find(&evidence);

    assert_eq!(found[0].cause, Cause::SharedCache, "{found:#?}");
    assert_eq!(
        found[0].chain,
        [Link::Route("GET /leads".to_owned()), Link::SharedCache]
    );
    assert!(found[0].impact.ms_each >= 20.0 && found[0].impact.share > 0.5);
    // What it is to answer within is in order.
    evidence.routes[0].shared_cache_ms = 6_000.0 * 4.0;
    assert!(
        find(&evidence)
            .iter()
            .all(|found| found.cause != Cause::SharedCache)
    );
}

#[test]
fn jobs_that_wait_long_are_a_backlog_however_few_they_are() {
    let mut evidence = healthy();
    evidence.queues = vec![queue(200, 120_000.0, 0)];

    let found = find(&evidence);

    assert_eq!(found[0].cause, Cause::Queue("default".to_owned()), "{found:#?}");
    assert_eq!(found[0].impact.affected, Affected::Jobs(200));
}

#[test]
fn what_is_planted_is_found_first_and_says_what_to_do() {
    let slow = |name: &str| Cause::SlowQuery(name.to_owned());
    let planted: [(Plant, Cause, Act); 9] = [
        (slow_query, slow("list"), Act::AddIndex),
        (
            repeated_query,
            Cause::RepeatedQuery("activities-of-one".to_owned()),
            Act::AskOnce,
        ),
        (
            lock,
            Cause::Lock("lead_statistics".to_owned()),
            Act::ShortenTransaction,
        ),
        (small_pool, Cause::Pool("primary".to_owned()), Act::EnlargePool),
        (
            cache_off,
            Cause::CacheMisses("GET /leads".to_owned()),
            Act::KeepLonger,
        ),
        (
            slow_upstream,
            Cause::Upstream("ai".to_owned()),
            Act::CallElsewhere,
        ),
        (busy_cores, Cause::Cpu, Act::AddCores),
        (backlog, Cause::Queue("default".to_owned()), Act::AddWorkers),
        (
            full_disk,
            Cause::Exhaustion {
                resource: Resource::Storage,
                name: "storage".to_owned(),
            },
            Act::AddCapacity,
        ),
    ];
    for (plant, cause, act) in planted {
        let found = with(plant);

        let first = found.first().unwrap_or_else(|| panic!("{cause:?} is not found"));
        assert_eq!((&first.cause, first.advice.act), (&cause, act), "{found:#?}");
        assert!(!first.facts.is_empty() && !first.advice.text.is_empty());
        assert_eq!(found.len(), 1, "nothing else is wrong: {found:#?}");
    }
}

#[test]
fn nothing_is_found_when_all_is_well() {
    assert_eq!(find(&healthy()), []);
    assert_eq!(find(&Evidence::default()), []);
}

#[test]
fn who_waits_for_a_connection_is_led_to_the_lock_behind_it() {
    let found = with(lock);

    let Impact {
        affected,
        ms_each,
        share,
    } = found[0].impact;
    assert_eq!(affected, Affected::Requests(6_600));
    // 600 requests waited for 880 ms, and 6,000 for 52 ms.
    assert!((ms_each - 840_000.0 / 6_600.0).abs() < 0.1, "{ms_each}");
    assert!((share - 840_000.0 / 900_000.0).abs() < 0.01, "{share}");
    assert_eq!(
        found[0].chain,
        [
            Link::Route("POST /leads".to_owned()),
            Link::Query("insert".to_owned()),
            Link::Lock("lead_statistics".to_owned()),
        ]
    );

    // Of the readers' time alone the way is longer.
    let found = with(|evidence| {
        lock(evidence);
        evidence.routes.remove(1);
        evidence.queries[1].route = "a job".to_owned();
        evidence.locks[0].route = "a job".to_owned();
    });
    assert_eq!(
        found[0].chain,
        [
            Link::Route("GET /leads".to_owned()),
            Link::Pool("primary".to_owned()),
            Link::Query("insert".to_owned()),
            Link::Lock("lead_statistics".to_owned()),
        ]
    );
}

#[test]
fn a_slow_route_is_found_beside_many_quick_ones() {
    let found = with(|evidence| {
        evidence.routes.push(route("GET /report", 30, 900.0, 880.0));
        evidence.queries.push(query("report", "GET /report", 30, 880.0));
        evidence.routes[0].requests = 600_000;
        evidence.routes[0].total_ms = 600_000.0 * 8.0;
    });

    assert_eq!(found[0].cause, Cause::SlowQuery("report".to_owned()));
    assert!(found[0].impact.share < 0.01);
}

#[test]
fn two_causes_are_both_found_the_worse_one_first() {
    let found = with(|evidence| {
        slow_query(evidence);
        slow_upstream(evidence);
    });

    let causes: Vec<&str> = found.iter().map(|found| found.cause.kind()).collect();
    assert_eq!(causes, ["slow-query", "upstream"]);
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let ms = || 0.0_f64..500_000.0;
    let route = (0_u64..10_000, ms(), ms(), ms(), ms(), ms()).prop_map(
        |(requests, queue, pool, sql, cache, upstream)| RouteTime {
            route: "r".to_owned(),
            requests,
            total_ms: queue + pool + sql + cache + upstream + 100.0,
            queue_ms: queue,
            pool_wait_ms: pool,
            sql_ms: sql,
            shared_cache_ms: cache,
            upstream_ms: upstream,
        },
    );
    let query = (0_u32..20_000, 0.0_f64..50.0).prop_map(|(calls, ms)| query("q", "r", calls, ms));
    let queries = proptest::collection::vec(query, 0..4);
    (
        proptest::collection::vec(route, 0..4),
        queries,
        ms(),
        ms(),
        0.0_f64..4.0,
    )
        .prop_map(|(mut routes, queries, lent, waited, busy)| {
            for (at, route) in routes.iter_mut().enumerate() {
                route.route = format!("r{at}");
            }
            let mut queries = queries;
            for (at, query) in queries.iter_mut().enumerate() {
                (query.fingerprint, query.route) = (format!("q{at}"), format!("r{at}"));
                // A route waits for its statements, and no longer.
                let sql = routes.get(at).map_or(0.0, |route| route.sql_ms);
                query.total_ms = query.total_ms.min(sql);
            }
            Evidence {
                pools: vec![pool(4, lent, waited)],
                cpu: Some(CpuUse { cores: 4.0, busy }),
                routes,
                queries,
                ..healthy()
            }
        })
}

proptest! {
    #[test]
    fn no_time_is_blamed_on_two_causes(evidence in evidence()) {
        let found = find(&evidence);

        let blamed: f64 = found
            .iter()
            .filter(|found| matches!(found.impact.affected, Affected::Requests(_)))
            .map(|found| found.impact.share)
            .sum();
        prop_assert!(blamed <= 1.0 + 1e-9, "{blamed} of all time");
        for found in found {
            prop_assert!(found.impact.ms_each.is_finite() && !found.chain.is_empty());
        }
    }

    #[test]
    fn more_of_a_cause_has_more_impact(ms in 30.0_f64..500.0, more in 1.0_f64..500.0) {
        let impact = |ms: f64| {
            let found = with(|evidence| {
                evidence.routes[0] = route("GET /leads", 6_000, ms + 4.0, ms);
                evidence.queries[0] = query("list", "GET /leads", 6_000, ms);
            });
            found[0].impact
        };
        prop_assert!(impact(ms + more).ms_each > impact(ms).ms_each);
        prop_assert!(impact(ms + more).share > impact(ms).share);
    }
}
