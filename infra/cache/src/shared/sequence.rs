use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers the bumps of this process, and knows up to where all have been sent or given up.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    under_way: BTreeSet<u64>,
}

/// A number that is under way until this is dropped.
#[derive(Debug)]
pub(crate) struct Number<'a> {
    sequence: &'a Sequence,
    pub(crate) value: u64,
}

impl Sequence {
    pub(crate) fn next(&self) -> Number<'_> {
        let mut state = self.state();
        state.last += 1;
        let value = state.last;
        state.under_way.insert(value);
        Number {
            sequence: self,
            value,
        }
    }

    /// None up to here is under way.
    pub(crate) fn settled(&self) -> u64 {
        let state = self.state();
        state.under_way.first().map_or(state.last, |first| first - 1)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.state().under_way.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Number<'_> {
    fn drop(&mut self) {
        self.sequence.state().under_way.remove(&self.value);
    }
}
