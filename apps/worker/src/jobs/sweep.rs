//! Finds what nobody tells of: jobs that have become due, and those whose workers are gone.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fairlead_domain::jobs::Queue;
use tokio::time::{MissedTickBehavior, interval};

use super::Shared;
use super::attempt::tell_of_death;
use super::counts::Ended;

/// Looks again and again, until the task is aborted.
pub(super) async fn sweep_again(shared: Arc<Shared>) {
    let queues: Vec<Queue> = shared.lanes.iter().map(|lane| lane.queue).collect();
    let mut ticks = interval(shared.sweep_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match shared.store.sweep(&queues).await {
            Ok(swept) => {
                if swept.rescued > 0 || !swept.dead.is_empty() {
                    tracing::warn!(
                        rescued = swept.rescued,
                        dead = swept.dead.len(),
                        "workers were gone before their attempts had ended; the jobs are put back"
                    );
                    shared.counts.rescued.fetch_add(swept.rescued, Ordering::Relaxed);
                }
                for job in swept.dead {
                    shared.counts.note(job.queue, Ended::Dead, Duration::ZERO);
                    if let Some(handler) = shared.handlers.get(job.kind.as_str()) {
                        tell_of_death(&**handler, &job).await;
                    }
                }
                for queue in swept.waiting {
                    shared.signal.wake(queue);
                }
            }
            // Others say that the database is away.
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "cannot look which jobs are due");
            }
        }
    }
}
