//! Says that this process is still at work.

use std::sync::Arc;

use fairlead_domain::jobs::Ticket;
use fairlead_domain::store::StoreError;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{Lane, Shared};

/// Extends the claims of all attempts under way, until the task is aborted. Attempts whose claims are lost are cut off:
/// somebody else makes them. So are those whose claims have lapsed as far as anybody here knows, because the database
/// does not answer.
pub(super) async fn extend_claims(shared: Arc<Shared>) {
    let every = shared.lease / 3;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_reachable = true;
    let mut extended = tokio::time::Instant::now();
    loop {
        let began = ticks.tick().await;
        let tickets: Vec<_> = shared.lanes.iter().flat_map(|lane| lane.hand.tickets()).collect();
        if tickets.is_empty() {
            extended = began;
            continue;
        }
        let answer = timeout(every / 2, shared.store.extend(&tickets, shared.lease)).await;
        match answer.unwrap_or(Err(StoreError::TimedOut)) {
            Ok(lost) => {
                is_reachable = true;
                extended = began;
                cut_off(&shared, |_| lost.clone());
            }
            Err(error) => {
                // Once, not each time.
                if is_reachable {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "cannot extend the claims of jobs under way");
                }
                is_reachable = false;
                // The next look is given up one and a half times `every` from now. What was claimed or extended before
                // this has lapsed by then, or has a moment left in which its attempt lets go.
                let Some(lapses) = began.checked_sub(every + every / 4) else {
                    continue;
                };
                if extended < lapses {
                    cut_off(&shared, |lane| lane.hand.taken_before(lapses));
                }
            }
        }
    }
}

fn cut_off(shared: &Shared, lost: impl Fn(&Lane) -> Vec<Ticket>) {
    for lane in &shared.lanes {
        for ticket in lost(lane) {
            if lane.hand.cut_off(&ticket) {
                tracing::warn!(job.id = %ticket.id, "the claim of a job was lost; its attempt is cut off");
                shared.counts.note_lost(lane.queue);
            }
        }
    }
}
