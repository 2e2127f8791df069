//! Takes out of memory what has changed since it was loaded, and what takes a place that others need.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cache::Inner;

const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// It looks at every answer. Between two rounds it rests so many times as long as one has taken.
const REST: u32 = 100;

/// When memory may be swept again.
#[derive(Debug, Default)]
pub(crate) struct Sweeps(Mutex<Option<Instant>>);

impl Sweeps {
    fn take_turn(&self, now: Instant) -> bool {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = next.is_none_or(|next| next <= now);
        if is_due {
            *next = Some(now + AT_MOST_EVERY);
        }
        is_due
    }

    fn rest(&self, after: Duration) {
        let next = Instant::now() + (after * REST).max(AT_MOST_EVERY);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
    }
}

impl Inner {
    /// Drops the answers that nobody would be shown any more, and what goes beyond the part that each tenant has now,
    /// behind the scenes and every so often at the most; to be called when somebody finds no place in a part of its own.
    /// Nothing else takes them out of there before their time.
    pub(crate) fn sweep(self: &Arc<Self>) {
        if !self.sweeps.take_turn(Instant::now()) {
            return;
        }
        let inner = Arc::clone(self);
        fairlead_telemetry::spawn_blocking(move || {
            let began = Instant::now();
            inner.drop_changed();
            inner.memory.reclaim(began);
            inner.sweeps.rest(began.elapsed());
        });
    }

    pub(crate) fn drop_changed(&self) {
        self.memory
            .remove_if(|held| !self.generations.holds(held.snapshot()));
        self.memory.settle();
    }
}
