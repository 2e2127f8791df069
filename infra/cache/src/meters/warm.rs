use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::micros;

/// What an answer has earned since it was loaded ahead of need.
#[derive(Debug, Default)]
pub(crate) struct WarmMeter {
    hits: AtomicU64,
    saved_micros: AtomicU64,
}

impl WarmMeter {
    pub(crate) fn note(&self, cost: Duration) {
        self.hits.fetch_add(1, Ordering::Relaxed);
        self.saved_micros.fetch_add(micros(cost), Ordering::Relaxed);
    }

    pub(crate) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(crate) fn saved(&self) -> Duration {
        Duration::from_micros(self.saved_micros.load(Ordering::Relaxed))
    }
}
