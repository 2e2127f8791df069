//! How long requests take, by method, route and status, and what they ask of the database.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::{Method, StatusCode};
use fairlead_domain::performance::{Fingerprint, LatencySketch, StatementCost};
use fairlead_telemetry::turn_of_this_thread;

/// Upper bounds of the buckets, in milliseconds; one more has what took longer.
pub(crate) const BOUNDS_MS: [u64; 16] = [
    1, 3, 10, 30, 50, 100, 200, 300, 500, 700, 1_000, 2_000, 3_000, 5_000, 7_000, 10_000,
];
/// Of these buckets.
pub(super) const BUCKETS: usize = BOUNDS_MS.len() + 1;
/// Threads rarely meet at one lock.
const SHARDS: usize = 16;
/// As many statements of a route are told apart; all others are one.
const MOST_STATEMENTS: usize = 48;
/// A statement that a request repeats more often than this is one that could have been asked for all at once.
pub(crate) const MOST_CALLS: u32 = 10;
/// For so long a request is the slowest of its route.
const SLOWEST_FOR: Duration = Duration::from_hours(1);

/// Counts requests. All clones count together.
#[derive(Clone, Debug)]
pub struct RequestTimes {
    shards: Arc<[Mutex<Shard>; SHARDS]>,
    since: Instant,
}

/// By route, which is "" where none was found.
type Shard = HashMap<Box<str>, Vec<(Kind, Times)>>;

/// A request that was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) method: &'a Method,
    /// The pattern, if one was found.
    pub(crate) route: Option<&'a str>,
    pub(crate) status: StatusCode,
    pub(crate) took: Duration,
    /// The moment of the answer.
    pub(crate) at: Instant,
    pub(crate) statements: &'a [StatementCost],
    pub(crate) waited: Waited,
}

/// What requests waited for. Parts of it may have gone side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waited {
    /// To be let in.
    pub(crate) admission: Duration,
    /// For connections to the database.
    pub(crate) pool: Duration,
    /// For statements.
    pub(crate) database: Duration,
    /// For the cache that processes share.
    pub(crate) shared_cache: Duration,
    /// For services of others.
    pub(crate) upstreams: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    method: &'static str,
    status: StatusCode,
}

/// What tells requests apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    /// The pattern.
    pub(crate) route: Box<str>,
    pub(crate) method: &'static str,
    pub(crate) status: u16,
}

/// How many requests took how long, and what they had the database do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    /// Those that took no longer than a bound, and longer than the one before it.
    pub(crate) counts: [u64; BUCKETS],
    pub(crate) sketch: LatencySketch,
    pub(crate) statements: Vec<StatementOfRoute>,
    pub(crate) waited: Waited,
    slowest: Option<(Instant, Duration)>,
}

/// What the requests of a route had the database do by one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatementOfRoute {
    pub(crate) fingerprint: Fingerprint,
    /// How many requests sent it.
    pub(crate) requests: u64,
    /// How often they sent it.
    pub(crate) calls: u64,
    /// Returned or changed.
    pub(crate) rows: u64,
    pub(crate) time: Duration,
    /// The most calls of one request.
    pub(crate) most_calls: u32,
    /// How many requests sent it more than [`MOST_CALLS`] times.
    pub(crate) repeating: u64,
}

impl Default for RequestTimes {
    fn default() -> Self {
        Self {
            shards: Arc::new(Default::default()),
            since: Instant::now(),
        }
    }
}

impl RequestTimes {
    /// Takes note of a request that was answered. Tells whether none of its route and status that this thread has answered
    /// within the hour took longer.
    pub(crate) fn note(&self, answered: &Answered<'_>) -> bool {
        let kind = Kind::of(answered.method, answered.status);
        let route = answered.route.unwrap_or_default();
        let mut shard = lock(&self.shards[turn_of_this_thread() % SHARDS]);
        let kinds = match shard.get_mut(route) {
            Some(kinds) => kinds,
            None => shard.entry(route.into()).or_default(),
        };
        if let Some((_, times)) = kinds.iter_mut().find(|(known, _)| *known == kind) {
            return times.add(answered);
        }
        let mut times = Times::default();
        times.add(answered);
        kinds.push((kind, times));
        true
    }

    /// How long it has counted.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// All that was noted.
    pub(crate) fn all(&self) -> BTreeMap<Series, Times> {
        let mut all: BTreeMap<Series, Times> = BTreeMap::new();
        for shard in &*self.shards {
            for (route, kinds) in &*lock(shard) {
                for (kind, times) in kinds {
                    let series = Series {
                        route: route.clone(),
                        method: kind.method,
                        status: kind.status.as_u16(),
                    };
                    all.entry(series).or_default().merge(times);
                }
            }
        }
        all
    }
}

impl Kind {
    /// Clients may make up methods, and must not make up series by that.
    fn of(method: &Method, status: StatusCode) -> Self {
        Self {
            method: method_name(method),
            status,
        }
    }
}

/// Of those that clients may make up, `other`.
pub(super) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

impl Times {
    /// Tells whether none within the hour took longer.
    fn add(&mut self, answered: &Answered<'_>) -> bool {
        let Answered { took, at, .. } = *answered;
        self.counts[bucket(took)] += 1;
        self.sketch.note(took);
        self.waited.add(&answered.waited);
        for cost in answered.statements {
            self.statement(cost.fingerprint).add(cost);
        }
        let is_slowest = self.slowest.is_none_or(|(since, slowest)| {
            took > slowest || at.saturating_duration_since(since) > SLOWEST_FOR
        });
        if is_slowest {
            self.slowest = Some((at, took));
        }
        is_slowest
    }

    fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sketch.merge(&other.sketch);
        self.waited.add(&other.waited);
        for statement in &other.statements {
            self.statement(statement.fingerprint).merge(statement);
        }
    }

    /// What was noted since it was as `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.counts;
        for (count, before) in counts.iter_mut().zip(earlier.counts) {
            *count = count.saturating_sub(before);
        }
        let statements = self.statements.iter().map(|statement| {
            let mut known = earlier.statements.iter();
            match known.find(|known| known.fingerprint == statement.fingerprint) {
                Some(before) => statement.since(before),
                None => *statement,
            }
        });
        Self {
            counts,
            sketch: self.sketch.since(&earlier.sketch),
            statements: statements.filter(|statement| statement.calls > 0).collect(),
            waited: self.waited.since(&earlier.waited),
            slowest: self.slowest,
        }
    }

    fn statement(&mut self, fingerprint: Fingerprint) -> &mut StatementOfRoute {
        let place = |statements: &[StatementOfRoute], fingerprint| {
            statements
                .iter()
                .position(|known| known.fingerprint == fingerprint)
        };
        let place = place(&self.statements, fingerprint).unwrap_or_else(|| {
            let fingerprint = if self.statements.len() < MOST_STATEMENTS {
                fingerprint
            } else {
                Fingerprint::OTHERS
            };
            place(&self.statements, fingerprint).unwrap_or_else(|| {
                self.statements.push(StatementOfRoute::new(fingerprint));
                self.statements.len() - 1
            })
        });
        &mut self.statements[place]
    }
}

impl Waited {
    pub(crate) fn add(&mut self, more: &Self) {
        self.admission += more.admission;
        self.pool += more.pool;
        self.database += more.database;
        self.shared_cache += more.shared_cache;
        self.upstreams += more.upstreams;
    }

    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            admission: self.admission.saturating_sub(earlier.admission),
            pool: self.pool.saturating_sub(earlier.pool),
            database: self.database.saturating_sub(earlier.database),
            shared_cache: self.shared_cache.saturating_sub(earlier.shared_cache),
            upstreams: self.upstreams.saturating_sub(earlier.upstreams),
        }
    }
}

impl StatementOfRoute {
    fn new(fingerprint: Fingerprint) -> Self {
        Self {
            fingerprint,
            requests: 0,
            calls: 0,
            rows: 0,
            time: Duration::ZERO,
            most_calls: 0,
            repeating: 0,
        }
    }

    fn add(&mut self, cost: &StatementCost) {
        self.merge(&Self {
            fingerprint: cost.fingerprint,
            requests: 1,
            calls: cost.calls.into(),
            rows: cost.rows,
            time: cost.time,
            most_calls: cost.calls,
            repeating: u64::from(cost.calls > MOST_CALLS),
        });
    }

    /// What was noted since it was as `earlier`. The most calls of one request are those of all, unless fewer were made.
    fn since(&self, earlier: &Self) -> Self {
        let calls = self.calls.saturating_sub(earlier.calls);
        Self {
            fingerprint: self.fingerprint,
            requests: self.requests.saturating_sub(earlier.requests),
            calls,
            rows: self.rows.saturating_sub(earlier.rows),
            time: self.time.saturating_sub(earlier.time),
            most_calls: u32::try_from(calls).map_or(self.most_calls, |calls| calls.min(self.most_calls)),
            repeating: self.repeating.saturating_sub(earlier.repeating),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.calls += other.calls;
        self.rows += other.rows;
        self.time += other.time;
        self.most_calls = self.most_calls.max(other.most_calls);
        self.repeating += other.repeating;
    }
}

/// That of something that took so long.
pub(super) fn bucket(took: Duration) -> usize {
    BOUNDS_MS.partition_point(|&bound| Duration::from_millis(bound) < took)
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered<'a>(method: &'a Method, route: Option<&'a str>, micros: u64) -> Answered<'a> {
        Answered {
            method,
            route,
            status: StatusCode::OK,
            took: Duration::from_micros(micros),
            at: Instant::now(),
            statements: &[],
            waited: Waited::default(),
        }
    }

    #[test]
    fn requests_are_counted_by_what_they_are_and_how_long_they_took() {
        let times = RequestTimes::default();
        times.note(&answered(&Method::GET, Some("/leads"), 1_000));
        times.note(&answered(&Method::GET, Some("/leads"), 1_001));
        times.note(&answered(&Method::POST, Some("/leads"), 1));
        let elsewhere = times.clone();
        let thread = std::thread::spawn(move || {
            elsewhere.note(&answered(&Method::GET, Some("/leads"), 11_000_000));
            let made_up = Method::from_bytes(b"BREW").unwrap();
            elsewhere.note(&Answered {
                status: StatusCode::NOT_FOUND,
                ..answered(&made_up, None, 0)
            });
        });
        thread.join().unwrap();

        let all: Vec<_> = times.all().into_iter().collect();
        let names: Vec<_> = all
            .iter()
            .map(|(series, _)| (&*series.route, series.method, series.status))
            .collect();
        assert_eq!(
            names,
            [
                ("", "other", 404),
                ("/leads", "GET", 200),
                ("/leads", "POST", 200)
            ]
        );
        let gets = &all[1].1;
        assert_eq!(
            (gets.counts[0], gets.counts[1], gets.counts[BUCKETS - 1]),
            (1, 1, 1)
        );
        assert_eq!(gets.sketch.sum(), Duration::from_micros(11_002_001));
    }

    #[test]
    fn the_slowest_of_an_hour_is_told_of() {
        let times = RequestTimes::default();
        let note = |micros, later| {
            let request = answered(&Method::GET, Some("/leads"), micros);
            times.note(&Answered {
                at: request.at + later,
                ..request
            })
        };

        let told = [
            note(100, Duration::ZERO),
            note(50, Duration::ZERO),
            note(101, Duration::ZERO),
            note(50, Duration::from_secs(3_500)),
            note(50, Duration::from_secs(3_700)),
        ];

        assert_eq!(told, [true, false, true, false, true]);
    }

    #[test]
    fn a_statement_that_a_request_repeats_is_marked() {
        let times = RequestTimes::default();
        let cost = |fingerprint, calls| StatementCost {
            fingerprint: Fingerprint::new(fingerprint),
            calls,
            rows: 3,
            time: Duration::from_millis(calls.into()),
        };
        for statements in [[cost(1, 1), cost(2, 11)], [cost(1, 1), cost(2, 10)]] {
            times.note(&Answered {
                statements: &statements,
                ..answered(&Method::GET, Some("/leads"), 9)
            });
        }

        let all = times.all();
        let statements = &all.values().next().unwrap().statements;

        let told = |place: usize| {
            let of: &StatementOfRoute = &statements[place];
            (of.requests, of.calls, of.most_calls, of.repeating, of.time)
        };
        assert_eq!(told(0), (2, 2, 1, 0, Duration::from_millis(2)));
        assert_eq!(told(1), (2, 21, 11, 1, Duration::from_millis(21)));
    }

    #[test]
    fn statements_that_a_route_makes_up_are_one() {
        let times = RequestTimes::default();
        for fingerprint in 1..=200 {
            let cost = StatementCost {
                fingerprint: Fingerprint::new(fingerprint),
                calls: 1,
                rows: 0,
                time: Duration::ZERO,
            };
            times.note(&Answered {
                statements: &[cost],
                ..answered(&Method::GET, Some("/leads"), 9)
            });
        }

        let all = times.all();
        let statements = &all.values().next().unwrap().statements;

        assert_eq!(statements.len(), MOST_STATEMENTS + 1);
        let others = statements.last().unwrap();
        assert_eq!(
            (others.fingerprint, others.calls),
            (Fingerprint::OTHERS, 200 - MOST_STATEMENTS as u64)
        );
    }
}
