use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Outcomes, micros};

/// How one tenant fares.
#[derive(Debug, Default)]
pub(crate) struct TenantMeter {
    pub(crate) outcomes: Outcomes,
    pub(crate) bumps: AtomicU64,
    /// Answers put into memory.
    pub(crate) kept: AtomicU64,
    /// Answers not put there because something they depend on changed while they were loaded.
    pub(crate) refused: AtomicU64,
    /// Microseconds of loads that hits made unnecessary.
    pub(crate) saved_micros: AtomicU64,
}

impl TenantMeter {
    /// A hit saved a load of this length.
    pub(crate) fn note_saved(&self, cost: Duration) {
        self.saved_micros.fetch_add(micros(cost), Ordering::Relaxed);
    }

    pub(crate) fn add(&self, other: &Self) {
        self.outcomes.add(&other.outcomes);
        for (mine, theirs) in [
            (&self.bumps, &other.bumps),
            (&self.kept, &other.kept),
            (&self.refused, &other.refused),
            (&self.saved_micros, &other.saved_micros),
        ] {
            mine.fetch_add(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}
