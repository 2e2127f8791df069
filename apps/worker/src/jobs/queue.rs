//! Claims the jobs of a queue, as many as there is room for.

use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::jobs::{Claim, Claimed, Job, JobOwner};
use fairlead_domain::store::StoreError;
use tokio::time::{Instant, sleep};

use super::{BACKOFF, Lane, Shared, attempt};

/// Tenants in a row that had a turn and no job that may be begun, after which a loop rests. They are passed over where a
/// queue is drained or parts of it are paused, or other processes are claiming their jobs.
const LOOKED_AT: usize = 1_000;

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
        let pause = match fill(&shared, lane, &mut after).await {
            Ok(()) => {
                failures = 0;
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
        };
        tokio::select! {
            () = rest(pause) => {}
            () = waiter.woken(), if pause.is_none() => {
                if at.hand.len() >= at.settings.concurrency {
                    shared.others.wake();
                }
            }
            // The sender is the hand's own.
            _ = left.changed(), if pause.is_none() => {}
            _ = stops.changed() => {}
        }
    }
}

/// Claims and begins jobs until there is no room, or none that may be begun.
async fn fill(shared: &Arc<Shared>, lane: usize, after: &mut JobOwner) -> Result<(), StoreError> {
    let at = &shared.lanes[lane];
    let mut looked_at = 0;
    loop {
        let room = at.settings.concurrency.saturating_sub(at.hand.len());
        if room == 0 || *shared.stops.borrow() {
            return Ok(());
        }
        let began = Instant::now();
        let mut claimed = claim(shared, at, room, *after).await?;
        *after = claimed.last;
        let most = most_of_one(&claimed);
        let jobs = claimed.jobs.len();
        for job in claimed.jobs.drain(..) {
            shared.counts.note_wait(at.queue, job.waited);
            attempt::begin(shared, lane, job, began);
        }
        // A tenant that got all it may have is likely to have more.
        let share = room.div_ceil(claimed.turns.max(1));
        if most >= share.min(at.settings.concurrency_of_tenant()) {
            shared.others.wake();
        }
        looked_at = if jobs > 0 {
            0
        } else {
            looked_at + claimed.looked_at
        };
        let is_over = if jobs > 0 {
            // Nobody had more than was taken.
            most < share
        } else {
            // All tenants were looked at, or many.
            claimed.is_round || looked_at >= LOOKED_AT
        };
        if is_over {
            return Ok(());
        }
    }
}

/// How many jobs the tenant got that got most.
fn most_of_one(claimed: &Claimed) -> usize {
    claimed
        .jobs
        .chunk_by(|one, next| one.owner() == next.owner())
        .map(<[Job]>::len)
        .max()
        .unwrap_or(0)
}

/// Waits for so long; for ever, if for nothing.
async fn rest(pause: Option<Duration>) {
    match pause {
        Some(pause) => sleep(pause).await,
        None => std::future::pending().await,
    }
}

async fn claim(shared: &Shared, lane: &Lane, room: usize, after: JobOwner) -> Result<Claimed, StoreError> {
    let (in_hand, aside_in_hand) = (lane.hand.owners(), lane.hand.owners_aside());
    let claim = Claim {
        queue: lane.queue,
        most: room,
        after,
        in_hand: &in_hand,
        most_of_tenant: lane.settings.concurrency_of_tenant(),
        aside_in_hand: &aside_in_hand,
        most_aside_of_tenant: lane.settings.aside_of_tenant(),
        most_aside: lane.settings.aside(),
        lease: shared.lease,
        attempts: lane.settings.retry.attempts,
        attempts_of: &shared.attempts_of,
        worker: &shared.name,
    };
    shared.store.claim(&claim).await
}
