//! Warming once, when a process starts with nothing.

use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::cache::{ActiveTenants, WarmWhat};
use tokio::time::{Instant, sleep, timeout};

use crate::Warmer;

/// The tenants that are warmed for, and how long that may take altogether.
const TENANTS: usize = 50;
const LIMIT: Duration = Duration::from_mins(1);
/// How long the shared level is waited for: what is loaded while it is away is kept for a moment only.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Warmer {
    /// Warms all datasets once, for the most active of `tenants`, behind the scenes: requests are served meanwhile. What
    /// other processes have loaded is taken from the shared level, if there is one.
    pub fn warm_at_start(self: &Arc<Self>, tenants: Arc<dyn ActiveTenants>) {
        let warmer = Arc::downgrade(self);
        fairlead_telemetry::spawn(async move {
            if let Some(warmer) = warmer.upgrade()
                && timeout(LIMIT, warmer.warm_for(&*tenants)).await.is_err()
            {
                tracing::warn!("warming at the start took too long, and was given up");
            }
        });
    }

    async fn warm_for(&self, tenants: &dyn ActiveTenants) {
        let give_up = Instant::now() + CONNECTED_WITHIN;
        while !self.cache.is_connected() {
            if Instant::now() >= give_up {
                tracing::warn!("the cache is not warmed at the start: the shared cache is away");
                return;
            }
            sleep(LOOK_AGAIN).await;
        }
        let mut tenants = match tenants.active().await {
            Ok(tenants) => tenants,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "the cache could not be warmed at the start");
                return;
            }
        };
        tenants.truncate(TENANTS);
        let report = self.warm_tenants(&WarmWhat::Everything, &tenants).await;
        tracing::info!(
            tenants = report.tenants,
            loaded = report.datasets.iter().map(|dataset| dataset.loaded).sum::<u64>(),
            taken = report.datasets.iter().map(|dataset| dataset.taken).sum::<u64>(),
            "the cache was warmed at the start",
        );
    }
}
