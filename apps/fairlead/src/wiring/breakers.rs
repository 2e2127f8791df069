//! Circuit breakers of several processes, which tell each other what they have found out.

use std::sync::Arc;

use anyhow::Context as _;
use fairlead_cache::RedisBreakerBoard;
use fairlead_domain::clock::Clock;
use fairlead_domain::upstreams::{BreakerSharing, Upstreams};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::cache;
use crate::config::{Config, Secret};

/// What they tell each other by; `None`: there is no Redis, or nothing to call.
pub(super) fn sharing(
    config: &Config,
    secret: &Secret,
    upstreams: Arc<dyn Upstreams>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<BreakerSharing>> {
    let Some(settings) = cache::shared_settings(config, secret)? else {
        return Ok(None);
    };
    if upstreams.report().is_empty() {
        return Ok(None);
    }
    let board =
        RedisBreakerBoard::new(&settings).context("cannot share circuit breakers (cache.redis.url)")?;
    Ok(Some(BreakerSharing::new(
        upstreams,
        Arc::new(board),
        Arc::clone(clock),
    )))
}

pub(super) fn spawn(sharing: BreakerSharing) -> JoinHandle<()> {
    let sharing = Arc::new(Mutex::new(sharing));
    fairlead_telemetry::spawn_supervised("share-breakers", move || share(Arc::clone(&sharing)))
}

async fn share(sharing: Arc<Mutex<BreakerSharing>>) {
    let mut sharing = sharing.lock().await;
    let mut ticks = interval(BreakerSharing::EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_shared = None;
    loop {
        ticks.tick().await;
        let round = sharing.round().await;
        if is_shared == Some(round.is_ok()) {
            continue;
        }
        is_shared = Some(round.is_ok());
        match round {
            Ok(()) => tracing::info!("circuit breakers are shared between processes"),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "Redis is away: each process finds out for itself which services are well"
            ),
        }
    }
}
