//! The events of one tenant that some who follow have yet to take.
//!
//! An event waits until all who hear have taken it. Nobody is waited for: where too many wait, or too much, the oldest
//! go, and who has not taken them hears that it has missed some. Then nothing waits for that one any more, until it
//! begins to hear again.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use fairlead_domain::events::{Event, Heard, LiveEvent};
use tokio::sync::Notify;

/// Events of a tenant that may wait.
pub(crate) const MOST_EVENTS: usize = 256;
/// What they may take together.
pub(crate) const MOST_BYTES: usize = 4 << 20;
/// An event's names and ids, and their places.
const BESIDE_DATA: usize = 1 << 10;
/// Its data stand in the event, in what clients are shown, and in the message that they are sent.
const COPIES: usize = 3;

/// What an event takes while it waits.
pub(crate) fn bytes_of(event: &Event) -> usize {
    COPIES * event.data.get().len() + BESIDE_DATA
}

pub(crate) struct Ring {
    state: Mutex<State>,
    /// There is something new to hear.
    news: Notify,
    /// What waits in all rings.
    all_bytes: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// The place of the first that waits, counted from the first there was.
    first: u64,
    bytes: usize,
    /// Those that have missed nothing.
    hearers: usize,
    is_closed: bool,
}

struct Waiting {
    event: Arc<LiveEvent>,
    bytes: usize,
    /// How many have yet to take it.
    untaken: usize,
}

/// One who hears all that is told from when it began.
pub(crate) struct Hearer {
    ring: Arc<Ring>,
    /// The place of what it takes next.
    next: u64,
}

impl Ring {
    /// `all_bytes` counts what waits here and in other rings.
    pub(crate) fn new(all_bytes: Arc<AtomicUsize>) -> Self {
        Self {
            state: Mutex::default(),
            news: Notify::new(),
            all_bytes,
        }
    }

    /// Begins to hear what is told from now on.
    pub(crate) fn hear(self: &Arc<Self>) -> Hearer {
        let mut state = self.state();
        state.hearers += 1;
        Hearer {
            ring: Arc::clone(self),
            next: state.end(),
        }
    }

    pub(crate) fn tell(&self, event: Event) {
        let mut state = self.state();
        if state.hearers == 0 {
            return;
        }
        let bytes = bytes_of(&event);
        let untaken = state.hearers;
        let event = Arc::new(LiveEvent {
            event,
            shown: OnceLock::new(),
        });
        state.waiting.push_back(Waiting {
            event,
            bytes,
            untaken,
        });
        state.bytes += bytes;
        self.all_bytes.fetch_add(bytes, Ordering::Relaxed);
        while state.waiting.len() > MOST_EVENTS || state.bytes > MOST_BYTES {
            self.drop_first(&mut state);
        }
        drop(state);
        self.news.notify_waiters();
    }

    /// Drops all that waits.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        while !state.waiting.is_empty() {
            self.drop_first(&mut state);
        }
    }

    /// Has all who hear miss some, whether anything waits for them or not.
    pub(crate) fn miss(&self) {
        let mut state = self.state();
        while self.pop(&mut state).is_some() {}
        state.first += 1;
        state.hearers = 0;
        drop(state);
        self.news.notify_waiters();
    }

    /// Who has taken all there is hears that no more comes.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.news.notify_waiters();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.state().bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the event that has waited longest. Those who have not taken it have missed it, and need none of the rest.
    fn drop_first(&self, state: &mut State) {
        let missed = self.pop(state).map_or(0, |first| first.untaken);
        state.hearers -= missed;
        for waiting in &mut state.waiting {
            waiting.untaken -= missed;
        }
        self.drop_taken(state);
    }

    /// Drops what all have taken.
    fn drop_taken(&self, state: &mut State) {
        while state.waiting.front().is_some_and(|first| first.untaken == 0) {
            self.pop(state);
        }
    }

    fn pop(&self, state: &mut State) -> Option<Waiting> {
        let first = state.waiting.pop_front()?;
        state.first += 1;
        state.bytes -= first.bytes;
        self.all_bytes.fetch_sub(first.bytes, Ordering::Relaxed);
        Some(first)
    }
}

impl State {
    /// The place of what is told next.
    fn end(&self) -> u64 {
        self.first + self.waiting.len() as u64
    }

    /// How many wait in front of a place; `None`: the one at that place is gone.
    fn before(&self, place: u64) -> Option<usize> {
        usize::try_from(place.checked_sub(self.first)?).ok()
    }
}

impl Hearer {
    /// Waits for what comes next. Whoever stops waiting misses nothing by it.
    pub(crate) async fn next(&mut self) -> Heard {
        let ring = Arc::clone(&self.ring);
        loop {
            let mut news = std::pin::pin!(ring.news.notified());
            // What comes between the look and the wait is news as well.
            news.as_mut().enable();
            if let Some(heard) = self.try_next() {
                return heard;
            }
            news.await;
        }
    }

    pub(crate) fn try_next(&mut self) -> Option<Heard> {
        let mut state = self.ring.state();
        let Some(before) = state.before(self.next) else {
            return Some(Heard::Missed);
        };
        let Some(next) = state.waiting.get_mut(before) else {
            return state.is_closed.then_some(Heard::Closing);
        };
        next.untaken -= 1;
        let event = Arc::clone(&next.event);
        self.next += 1;
        self.ring.drop_taken(&mut state);
        Some(Heard::Event(event))
    }

    /// How many events wait for it.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.ring.state();
        let before = state.before(self.next);
        before.map_or(0, |before| state.waiting.len() - before)
    }
}

impl Drop for Hearer {
    fn drop(&mut self) {
        let mut state = self.ring.state();
        let Some(before) = state.before(self.next) else {
            // It has missed some, and is counted no more.
            return;
        };
        for waiting in state.waiting.range_mut(before..) {
            waiting.untaken -= 1;
        }
        state.hearers -= 1;
        self.ring.drop_taken(&mut state);
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use fairlead_domain::Id;
    use fairlead_domain::events::EventCursor;
    use fairlead_domain::identity::TenantId;
    use serde_json::value::RawValue;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    pub(crate) fn event_of(tenant: TenantId, position: i64, data_bytes: usize) -> Event {
        let data = format!("\"{}\"", "x".repeat(data_bytes));
        Event {
            cursor: EventCursor { xid: 1, position },
            tenant,
            id: Uuid::nil(),
            event_type: "activity_created".to_owned(),
            version: 1,
            aggregate_type: "activity".to_owned(),
            aggregate_id: Uuid::nil(),
            source: "api".to_owned(),
            actor: "system".to_owned(),
            data: RawValue::from_string(data).expect("a string is JSON"),
            trace_parent: None,
            occurred_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn tell(ring: &Ring, position: i64, data_bytes: usize) {
        ring.tell(event_of(Id::from_uuid(Uuid::nil()), position, data_bytes));
    }

    /// The positions of what is there for one, and whether it has missed some.
    fn heard(hearer: &mut Hearer) -> (Vec<i64>, bool) {
        let mut positions = Vec::new();
        loop {
            match hearer.try_next() {
                Some(Heard::Event(live)) => positions.push(live.event.cursor.position),
                Some(Heard::Missed) => return (positions, true),
                Some(Heard::Closing) | None => return (positions, false),
            }
        }
    }

    fn ring() -> (Arc<Ring>, Arc<AtomicUsize>) {
        let all_bytes = Arc::<AtomicUsize>::default();
        (Arc::new(Ring::new(Arc::clone(&all_bytes))), all_bytes)
    }

    #[test]
    fn an_event_waits_until_all_who_hear_have_taken_it() {
        let (ring, all_bytes) = ring();
        tell(&ring, 1, 40_000);
        assert_eq!(ring.bytes(), 0, "nobody hears");
        let (mut one, mut other) = (ring.hear(), ring.hear());
        tell(&ring, 2, 40_000);
        tell(&ring, 3, 40_000);

        assert_eq!(heard(&mut one), (vec![2, 3], false));
        assert!(ring.bytes() > 240_000 && ring.bytes() == all_bytes.load(Ordering::Relaxed));
        assert_eq!((one.waiting(), other.waiting()), (0, 2));
        let late = ring.hear();
        assert!(matches!(other.try_next(), Some(Heard::Event(_))));
        assert!((120_000..130_000).contains(&ring.bytes()));
        drop(other);
        assert_eq!((ring.bytes(), late.waiting()), (0, 0));
    }

    #[test]
    fn who_takes_nothing_holds_no_more_than_is_allowed_and_then_nothing() {
        for (data_bytes, fits) in [(40_000, true), (10, true), (MOST_BYTES, false)] {
            let (ring, all_bytes) = ring();
            let (mut quick, mut stalled) = (ring.hear(), ring.hear());
            for position in 0..1000 {
                tell(&ring, position, data_bytes);
                assert!(ring.bytes() <= MOST_BYTES && stalled.waiting() <= MOST_EVENTS);
                if fits {
                    assert_eq!(heard(&mut quick), (vec![position], false));
                }
            }

            assert_eq!(ring.bytes(), 0, "nothing waits for one that has missed some");
            assert_eq!(heard(&mut stalled), (vec![], true));
            assert_eq!(heard(&mut quick), (vec![], !fits));
            stalled = ring.hear();
            tell(&ring, 1000, 10);
            assert_eq!(heard(&mut stalled), (vec![1000], false));
            drop((quick, stalled));
            assert_eq!(all_bytes.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn who_is_slow_hears_all_in_order_or_that_it_has_missed_some() {
        let (ring, all_bytes) = ring();
        let mut hearers: Vec<(Hearer, Option<i64>)> = Vec::new();
        // Any numbers do, as long as they are the same each time (Knuth, MMIX).
        let mut random: u64 = 1;
        let mut next = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % below
        };
        let mut missed = 0;
        for position in 0..20_000 {
            tell(&ring, position, next(60_000));
            if hearers.len() < 5 {
                hearers.push((ring.hear(), None));
            }
            let chosen = next(hearers.len());
            if next(40) == 0 {
                hearers.swap_remove(chosen);
                continue;
            }
            let (hearer, last) = &mut hearers[chosen];
            for _ in 0..next(9) {
                match hearer.try_next() {
                    Some(Heard::Event(live)) => {
                        let heard = live.event.cursor.position;
                        assert!(
                            last.is_none_or(|last| heard == last + 1),
                            "{heard} behind {last:?}"
                        );
                        *last = Some(heard);
                    }
                    Some(Heard::Missed) => {
                        missed += 1;
                        (*hearer, *last) = (ring.hear(), None);
                    }
                    Some(Heard::Closing) | None => break,
                }
            }
        }

        assert!(missed > 10, "{missed}");
        drop(hearers);
        assert_eq!((ring.bytes(), all_bytes.load(Ordering::Relaxed)), (0, 0));
    }
}
