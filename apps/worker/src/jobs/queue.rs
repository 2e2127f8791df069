//! Claims the jobs of a queue, as many as there is room for.

use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::jobs::{Claim, Claimed, JobOwner};
use fairlead_domain::store::StoreError;
use tokio::time::sleep;

use super::{Lane, Shared, attempt};
use crate::backoff::Backoff;

const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(5),
};

/// Claims and begins jobs until the worker stops.
pub(super) async fn work(shared: Arc<Shared>, lane: usize) {
    let mut stops = shared.stops.subscribe();
    let at = &shared.lanes[lane];
    let mut waiter = shared.signal.waiter(at.queue);
    let mut left = at.hand.watch();
    let mut after = JobOwner::Platform;
    let mut failures = 0;
    while !*stops.borrow_and_update() {
        left.mark_unchanged();
        let room = at.settings.concurrency.saturating_sub(at.hand.len());
        let pause = if room == 0 {
            None
        } else {
            match claim(&shared, at, room, after).await {
                Ok(claimed) => {
                    failures = 0;
                    after = claimed.last;
                    let is_all = claimed.jobs.len() < room;
                    for job in claimed.jobs {
                        attempt::begin(&shared, lane, job);
                    }
                    if !is_all {
                        // There may be more than this process can do.
                        shared.others.wake();
                    }
                    None
                }
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(queue = %at.queue, error, "jobs wait for the database");
                    }
                    Some(BACKOFF.after(failures))
                }
            }
        };
        tokio::select! {
            () = rest(pause) => {}
            () = waiter.woken(), if pause.is_none() => {
                if at.settings.concurrency == 0 || at.hand.len() >= at.settings.concurrency {
                    shared.others.wake();
                }
            }
            // The sender is the hand's own.
            _ = left.changed(), if pause.is_none() => {}
            _ = stops.changed() => {}
        }
    }
}

/// Waits for so long; for ever, if for nothing.
async fn rest(pause: Option<Duration>) {
    match pause {
        Some(pause) => sleep(pause).await,
        None => std::future::pending().await,
    }
}

async fn claim(shared: &Shared, lane: &Lane, room: usize, after: JobOwner) -> Result<Claimed, StoreError> {
    let in_hand = lane.hand.owners();
    let claim = Claim {
        queue: lane.queue,
        most: room,
        after,
        in_hand: &in_hand,
        most_of_tenant: lane.settings.concurrency_of_tenant(),
        lease: shared.lease,
        attempts: lane.settings.retry.attempts,
        attempts_of: &shared.attempts_of,
        worker: &shared.name,
    };
    shared.store.claim(&claim).await
}
