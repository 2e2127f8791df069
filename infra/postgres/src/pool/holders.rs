//! Who has which connection of a pool, since when, and what runs on it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::database::Holder;
use fairlead_telemetry::request::{self, RequestContext};

/// Enough of a statement to tell it by.
const STATEMENT_BYTES: usize = 160;

/// The connections of a pool that are lent.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    slots: Mutex<Vec<Option<Arc<Hold>>>>,
    /// For how long those were held that are held no more, all together.
    held_micros: AtomicU64,
}

/// One connection in somebody's hands, until this value is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    holders: Arc<Holders>,
    slot: usize,
    hold: Arc<Hold>,
}

#[derive(Debug)]
struct Hold {
    since: Instant,
    request: Option<Arc<RequestContext>>,
    statement: Mutex<String>,
}

impl Holders {
    /// Takes note that the current request got a connection.
    pub(crate) fn hold(self: &Arc<Self>) -> Held {
        let hold = Arc::new(Hold {
            since: Instant::now(),
            request: request::current(),
            statement: Mutex::default(),
        });
        let mut slots = self.slots();
        let slot = slots.iter().position(Option::is_none).unwrap_or(slots.len());
        if slot == slots.len() {
            slots.push(None);
        }
        slots[slot] = Some(Arc::clone(&hold));
        Held {
            holders: Arc::clone(self),
            slot,
            hold,
        }
    }

    /// Those who have held the longest come first.
    pub(crate) fn list(&self) -> Vec<Holder> {
        let now = Instant::now();
        let held: Vec<Arc<Hold>> = self.slots().iter().flatten().cloned().collect();
        let mut holders: Vec<Holder> = held.iter().map(|hold| hold.describe(now)).collect();
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.held_for));
        holders
    }

    /// For how long connections were held, all together: with those that are held now.
    pub(crate) fn held_for(&self) -> Duration {
        let now = Instant::now();
        let slots = self.slots();
        let held = slots.iter().flatten();
        let held: Duration = held.map(|hold| now.saturating_duration_since(hold.since)).sum();
        // While the slots are locked nobody lets go, so none is told twice or not at all.
        held + Duration::from_micros(self.held_micros.load(Ordering::Relaxed))
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Option<Arc<Hold>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Takes note of the statement that begins to run.
    pub(crate) fn runs(&self, statement: &str) {
        let mut noted = self.hold.statement();
        noted.clear();
        noted.push_str(beginning(statement));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let held = u64::try_from(self.hold.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut slots = self.holders.slots();
        slots[self.slot] = None;
        self.holders.held_micros.fetch_add(held, Ordering::Relaxed);
    }
}

impl Hold {
    fn statement(&self) -> MutexGuard<'_, String> {
        self.statement.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, now: Instant) -> Holder {
        let request = self.request.as_ref();
        Holder {
            name: request.and_then(|request| request.name()).map(str::to_owned),
            request_id: request.map(|request| request.request_id().to_string()),
            held_for: now.saturating_duration_since(self.since),
            statement: self.statement().split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }
}

/// Cuts at a character's border.
fn beginning(statement: &str) -> &str {
    let end = (0..=STATEMENT_BYTES.min(statement.len()))
        .rev()
        .find(|&end| statement.is_char_boundary(end))
        .unwrap_or(0);
    &statement[..end]
}

#[cfg(test)]
mod tests {
    use fairlead_telemetry::request::scope;

    use super::*;

    #[tokio::test]
    async fn a_connection_is_held_by_the_request_that_took_it_until_it_lets_go() {
        let holders = Arc::new(Holders::default());
        let request = RequestContext::from_headers(Some("r-1"), None, None).named("GET /leads".to_owned());

        let held = scope(Arc::new(request), async { holders.hold() }).await;
        let nobody = holders.hold();
        held.runs("SELECT\n   1");

        let listed = holders.list();
        assert_eq!(listed.len(), 2);
        let told = listed[0].to_string();
        assert!(told.starts_with("GET /leads (request r-1) for "), "{told}");
        assert!(told.ends_with(" in `SELECT 1`"), "{told}");
        assert!(listed[1].to_string().starts_with("a background task for "));
        let held_for = holders.held_for();
        drop((held, nobody));
        assert_eq!(holders.list(), []);
        assert!(holders.held_for() + Duration::from_micros(2) >= held_for);
    }

    #[test]
    fn a_long_statement_is_cut_between_characters() {
        let text = "é".repeat(STATEMENT_BYTES);

        assert_eq!(beginning(&text).len(), STATEMENT_BYTES);
        assert_eq!(beginning(&format!("x{text}")).len(), STATEMENT_BYTES - 1);
        assert_eq!(beginning("short"), "short");
    }
}
