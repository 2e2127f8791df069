//! Warming by the clock, in one process at a time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use fairlead_domain::cache::{CacheWarming as _, DatasetReport, WarmRequest};
use tokio::time::timeout;

use crate::Warmer;
use crate::cache::jittered;

impl Warmer {
    /// Warms all datasets every so often, or somewhat sooner, for as long as this is kept.
    ///
    /// Of the processes that share a cache, one does it each time: what it loads the others find in the shared level.
    /// While that is away nobody does, because what is loaded then is kept for a moment only.
    pub fn start_schedule(self: &Arc<Self>, every: Duration) {
        let warmer = Arc::downgrade(self);
        fairlead_telemetry::spawn_supervised("warm-on-schedule", move || {
            let warmer = Weak::clone(&warmer);
            async move {
                loop {
                    tokio::time::sleep(jittered(every)).await;
                    let Some(warmer) = warmer.upgrade() else { return };
                    warmer.take_turn(every).await;
                }
            }
        });
    }

    async fn take_turn(&self, every: Duration) {
        // Over before anybody looks for the next one, and no round outlasts its turn.
        let turn = every.mul_f64(0.8);
        if !self.has_turn(turn).await {
            return;
        }
        match timeout(turn, self.warm(WarmRequest::default())).await {
            Ok(Ok(report)) => {
                let sum = |of: fn(&DatasetReport) -> u64| report.datasets.iter().map(of).sum::<u64>();
                tracing::debug!(
                    tenants = report.tenants,
                    loaded = sum(|dataset| dataset.loaded),
                    failed = sum(|dataset| dataset.failed),
                    "the cache was warmed on schedule",
                );
            }
            Ok(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "the cache could not be warmed on schedule");
            }
            Err(_) => tracing::warn!(
                turn_ms = u64::try_from(turn.as_millis()).unwrap_or(u64::MAX),
                "warming on schedule took longer than its turn, and was given up",
            ),
        }
    }

    async fn has_turn(&self, turn: Duration) -> bool {
        match &self.cache.inner.shared {
            Some(shared) => shared.take_turn("warming", turn).await,
            None => true,
        }
    }
}
