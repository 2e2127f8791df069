//! For how long statements wait for locks, and who holds those.
//!
//! Looked at five times a second, and only while somebody holds a connection of this process for long: where nobody waits, it costs
//! the database nothing. What is waited for between two looks is not seen, so it is as much as is told, at least.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::performance::catalog::SeenLock;
use tokio::time::timeout;

use crate::state::Services;

/// Between two looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Who has a connection for longer may be waiting for a lock.
const HELD_FOR_LONG: Duration = Duration::from_millis(100);
/// As many relations are told apart; there are not as many tables.
const MOST: usize = 128;
/// A look that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was waited for since the start, by relation. All clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct LockWaits(Arc<Mutex<Waits>>);

#[derive(Debug, Default)]
struct Waits {
    /// When was looked last; `None`: never.
    looked: Option<Instant>,
    by_relation: BTreeMap<Box<str>, LockTime>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LockTime {
    pub(super) waited: Duration,
    /// The process of the server that was in the way last.
    pub(super) holder: Option<i32>,
}

impl LockWaits {
    /// Takes note of what statements wait for now, if any may.
    pub(super) async fn look(&self, services: &Services) {
        let nodes = services.nodes.nodes();
        let mut holders = nodes
            .iter()
            .flat_map(|node| &node.pools)
            .flat_map(|pool| &pool.holders);
        if !holders.any(|holder| holder.held_for >= HELD_FOR_LONG) {
            return;
        }
        // Where the database cannot be asked, that is found out elsewhere.
        if let Ok(Ok(seen)) = timeout(PATIENCE, services.performance.catalog.lock_waits()).await {
            self.note(&seen, Instant::now());
        }
    }

    fn note(&self, seen: &[SeenLock], now: Instant) {
        let mut waits = self.lock();
        let looked = waits.looked.replace(now);
        let since = looked.map_or(Duration::MAX, |looked| now.saturating_duration_since(looked));
        for lock in seen {
            let known = &mut waits.by_relation;
            if known.len() >= MOST && !known.contains_key(&*lock.relation) {
                continue;
            }
            let known = known.entry(lock.relation.as_str().into()).or_default();
            // What is longer ago was seen then.
            known.waited += lock.waited.min(since);
            known.holder = lock.holder.or(known.holder);
        }
    }

    pub(super) fn all(&self) -> BTreeMap<Box<str>, LockTime> {
        self.lock().by_relation.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(relation: &str, millis: u64, holder: i32) -> SeenLock {
        SeenLock {
            relation: relation.to_owned(),
            waited: Duration::from_millis(millis),
            holder: Some(holder),
        }
    }

    #[test]
    fn of_each_wait_counts_what_is_since_the_last_look() {
        let waits = LockWaits::default();

        let (first, later) = (Instant::now(), |millis| Duration::from_millis(millis));
        waits.note(&[seen("leads", 40, 7), seen("leads", 200, 7)], first);
        waits.note(&[seen("leads", 700, 8)], first + later(500));
        for number in 0..1_000 {
            waits.note(&[seen(&format!("table {number}"), 1, 9)], first + later(501));
        }

        let all = waits.all();
        let leads = LockTime {
            waited: later(740),
            holder: Some(8),
        };
        assert_eq!((all["leads"], all.len()), (leads, MOST));
    }
}
