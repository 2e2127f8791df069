//! Requests that took long, kept with what they spent their time on.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fairlead_domain::identity::TenantId;
use fairlead_domain::performance::StatementCost;
use time::OffsetDateTime;

/// As many are kept that took longer than they may; each takes a few kilobytes at the most.
const MOST_RECENT: usize = 500;
/// The slowest of a route is that for so long, unless another one takes longer.
const SLOWEST_FOR: time::Duration = time::Duration::HOUR;
/// Paths are cut off behind so many bytes.
const LONGEST_PATH: usize = 500;

/// Requests that took long: the last ones, and the slowest of each route within the hour. All clones keep the same.
#[derive(Clone, Debug, Default)]
pub struct SlowRequests(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The newest last.
    recent: VecDeque<Arc<SlowRequest>>,
    slowest: HashMap<(Box<str>, Box<str>), Arc<SlowRequest>>,
}

/// A request that took long.
#[derive(Clone, Debug)]
pub(crate) struct SlowRequest {
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    /// When it was answered.
    pub(crate) at: OffsetDateTime,
    pub(crate) method: Box<str>,
    /// The pattern; empty where none was found.
    pub(crate) route: Box<str>,
    /// Without the query, which may tell of persons.
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) took: Duration,
    pub(crate) spent: Spent,
    /// Whether it took longer than requests may.
    pub(crate) is_slow: bool,
}

/// What a request spent its time on. Parts of it may have gone side by side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) admission: Duration,
    pub(crate) pool_wait: Duration,
    pub(crate) database: Duration,
    pub(crate) round_trips: u64,
    pub(crate) shared_cache: Duration,
    pub(crate) upstreams: Duration,
    pub(crate) serialisation: Duration,
    pub(crate) statements: Vec<StatementCost>,
}

impl SlowRequests {
    /// Keeps a request if it is slow, or the slowest of its route.
    pub(super) fn keep(&self, mut request: SlowRequest) {
        let end = request.path.floor_char_boundary(LONGEST_PATH);
        request.path.truncate(end);
        let request = Arc::new(request);
        let mut kept = self.lock();
        if request.is_slow {
            if kept.recent.len() == MOST_RECENT {
                kept.recent.pop_front();
            }
            kept.recent.push_back(Arc::clone(&request));
        }
        let key = (request.method.clone(), request.route.clone());
        let is_slowest = kept
            .slowest
            .get(&key)
            .is_none_or(|known| known.took <= request.took || request.at - known.at > SLOWEST_FOR);
        if is_slowest {
            kept.slowest.insert(key, request);
        }
    }

    /// Keeps none of those that it has.
    pub(crate) fn clear(&self) {
        *self.lock() = Kept::default();
    }

    /// All that are kept, the newest first.
    pub(crate) fn all(&self) -> Vec<Arc<SlowRequest>> {
        let kept = self.lock();
        let others = kept.slowest.values().filter(|request| !request.is_slow);
        let mut all: Vec<_> = kept.recent.iter().chain(others).map(Arc::clone).collect();
        drop(kept);
        all.sort_by_key(|request| std::cmp::Reverse(request.at));
        all
    }

    /// The last one with this id, which clients may choose.
    pub(crate) fn find(&self, request_id: &str) -> Option<Arc<SlowRequest>> {
        let mut all = self.all().into_iter();
        all.find(|request| request.request_id == request_id)
    }

    /// The last one with this id, if it was this tenant's.
    pub(crate) fn find_of(&self, tenant: TenantId, request_id: &str) -> Option<Arc<SlowRequest>> {
        let kept = self.lock();
        let all = kept.recent.iter().chain(kept.slowest.values());
        let own = all.filter(|request| request.request_id == request_id && request.tenant == Some(tenant));
        own.max_by_key(|request| request.at).map(Arc::clone)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlowRequest {
    /// What is known of where its time went, without what is only known to be the rest.
    pub(crate) fn known(&self) -> Duration {
        let Spent {
            admission,
            pool_wait,
            database,
            shared_cache,
            upstreams,
            serialisation,
            ..
        } = self.spent;
        admission + pool_wait + database + shared_cache + upstreams + serialisation
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn request(route: &str, millis: u64, second: i64) -> SlowRequest {
        SlowRequest {
            request_id: format!("{route}-{millis}"),
            trace_id: String::new(),
            at: datetime!(2026-11-22 10:00 UTC) + time::Duration::seconds(second),
            method: "GET".into(),
            route: route.into(),
            path: "ä".repeat(LONGEST_PATH),
            status: 200,
            tenant: None,
            took: Duration::from_millis(millis),
            spent: Spent::default(),
            is_slow: millis >= 200,
        }
    }

    fn ids(requests: &SlowRequests) -> Vec<String> {
        let all = requests.all();
        all.iter().map(|request| request.request_id.clone()).collect()
    }

    #[test]
    fn slow_ones_are_kept_and_of_others_the_slowest_of_its_route() {
        let requests = SlowRequests::default();
        for (route, millis, second) in [
            ("a", 5, 0),
            ("a", 9, 1),
            ("a", 7, 2),
            ("b", 300, 3),
            ("b", 250, 4),
        ] {
            requests.keep(request(route, millis, second));
        }

        assert_eq!(ids(&requests), ["b-250", "b-300", "a-9"]);
        let found = requests.find("a-9").unwrap();
        assert_eq!(found.path.len(), LONGEST_PATH);
        assert!(requests.find("a-5").is_none());
        // It was nobody's.
        let somebody = fairlead_domain::Id::from_uuid(uuid::Uuid::from_u128(1));
        assert!(requests.find_of(somebody, "a-9").is_none());
    }

    #[test]
    fn the_slowest_of_a_route_is_that_for_an_hour() {
        let requests = SlowRequests::default();
        requests.keep(request("a", 9, 0));
        requests.keep(request("a", 5, 3_601));

        assert_eq!(ids(&requests), ["a-5"]);
    }

    #[test]
    fn memory_does_not_grow_with_slow_requests() {
        let requests = SlowRequests::default();
        for second in 0..i64::try_from(MOST_RECENT).unwrap() + 10 {
            requests.keep(request("a", 200, second));
        }

        assert_eq!(requests.all().len(), MOST_RECENT);
    }
}
