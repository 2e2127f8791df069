//! Says that this process is still at work.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};

use super::Shared;

/// Extends the claims of all attempts under way, until the task is aborted. Attempts whose claims are lost are cut off:
/// somebody else makes them.
pub(super) async fn extend_claims(shared: Arc<Shared>) {
    let mut ticks = interval(shared.lease / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_reachable = true;
    loop {
        ticks.tick().await;
        let tickets: Vec<_> = shared.lanes.iter().flat_map(|lane| lane.hand.tickets()).collect();
        if tickets.is_empty() {
            continue;
        }
        match shared.store.extend(&tickets, shared.lease).await {
            Ok(lost) => {
                is_reachable = true;
                for lane in &shared.lanes {
                    for ticket in &lost {
                        if lane.hand.cut_off(ticket) {
                            tracing::warn!(job.id = %ticket.id, "the claim of a job was lost; its attempt is cut off");
                            shared.counts.note_lost(lane.queue);
                        }
                    }
                }
            }
            // Once, not each time.
            Err(error) if is_reachable => {
                is_reachable = false;
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "cannot extend the claims of jobs under way");
            }
            Err(_) => {}
        }
    }
}
