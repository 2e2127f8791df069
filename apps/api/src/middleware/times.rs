//! How long requests take, by method, route and status.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use fairlead_telemetry::turn_of_this_thread;

/// Upper bounds of the buckets, in milliseconds; one more has what took longer.
pub(crate) const BOUNDS_MS: [u64; 14] = [
    1, 3, 10, 30, 50, 100, 300, 500, 700, 1_000, 3_000, 5_000, 7_000, 10_000,
];
/// Threads rarely meet at one lock.
const SHARDS: usize = 16;

/// Counts requests. All clones count together.
#[derive(Clone, Debug)]
pub struct RequestTimes(Arc<[Mutex<Shard>; SHARDS]>);

/// By route, which is "" where none was found.
type Shard = HashMap<Box<str>, Vec<(Kind, Times)>>;

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

/// How many requests took how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// Those that took no longer than a bound, and longer than the one before it.
    pub(crate) counts: [u64; BOUNDS_MS.len() + 1],
    pub(crate) sum: Duration,
}

impl Default for RequestTimes {
    fn default() -> Self {
        Self(Arc::new(Default::default()))
    }
}

impl RequestTimes {
    /// Takes note of a request that was answered.
    pub(crate) fn note(&self, method: &Method, route: Option<&str>, status: StatusCode, took: Duration) {
        let (kind, route) = (Kind::of(method, status), route.unwrap_or_default());
        let mut shard = lock(&self.0[turn_of_this_thread() % SHARDS]);
        let kinds = match shard.get_mut(route) {
            Some(kinds) => kinds,
            None => shard.entry(route.into()).or_default(),
        };
        if let Some((_, times)) = kinds.iter_mut().find(|(known, _)| *known == kind) {
            times.add(took);
        } else {
            let mut times = Times::default();
            times.add(took);
            kinds.push((kind, times));
        }
    }

    /// All that was noted.
    pub(crate) fn all(&self) -> BTreeMap<Series, Times> {
        let mut all: BTreeMap<Series, Times> = BTreeMap::new();
        for shard in &*self.0 {
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
        let method = match *method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            Method::OPTIONS => "OPTIONS",
            _ => "other",
        };
        Self { method, status }
    }
}

impl Times {
    fn add(&mut self, took: Duration) {
        let bucket = BOUNDS_MS.partition_point(|&bound| Duration::from_millis(bound) < took);
        self.counts[bucket] += 1;
        self.sum += took;
    }

    fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_what_they_are_and_how_long_they_took() {
        let times = RequestTimes::default();
        let note = |method: &Method, status, micros| {
            times.note(method, Some("/leads"), status, Duration::from_micros(micros));
        };
        note(&Method::GET, StatusCode::OK, 1_000);
        note(&Method::GET, StatusCode::OK, 1_001);
        note(&Method::POST, StatusCode::OK, 1);
        let elsewhere = times.clone();
        let thread = std::thread::spawn(move || {
            elsewhere.note(
                &Method::GET,
                Some("/leads"),
                StatusCode::OK,
                Duration::from_secs(11),
            );
            let made_up = Method::from_bytes(b"BREW").unwrap();
            elsewhere.note(&made_up, None, StatusCode::NOT_FOUND, Duration::ZERO);
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
        let gets = all[1].1;
        assert_eq!((gets.counts[0], gets.counts[1], gets.counts[14]), (1, 1, 1));
        assert_eq!(gets.sum, Duration::from_micros(11_002_001));
    }
}
