//! Who wakes the loops: the commits of this process, and other processes that have more jobs than they can do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::Recorded;
use fairlead_domain::identity::TenantId;
use fairlead_domain::jobs::Queue;
use fairlead_domain::store::CommitListener;
use tokio::time::sleep;

use super::Shared;
use crate::CommitSignal;
use crate::signal::Waiter;

/// Others are told of many jobs at once: each telling takes a lock that all tellers in the database share.
const TELL_EVERY: Duration = Duration::from_millis(50);
const HEAR_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Says which queues have new jobs. Its clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct JobSignal(Arc<[CommitSignal; Queue::ALL.len()]>);

impl JobSignal {
    pub(super) fn wake(&self, queue: Queue) {
        self.0[queue as usize].wake();
    }

    pub(super) fn waiter(&self, queue: Queue) -> Waiter {
        self.0[queue as usize].waiter()
    }
}

#[async_trait]
impl CommitListener for JobSignal {
    async fn committed(&self, _: TenantId, _: &[Recorded], _: LogPosition) {}

    fn enqueued(&self, queues: &[Queue]) {
        for queue in queues {
            self.wake(*queue);
        }
    }
}

/// Wakes all loops when other processes tell, until the task is aborted.
pub(super) async fn hear_others(shared: Arc<Shared>) {
    let mut is_told = false;
    loop {
        match shared.store.hear().await {
            Ok(mut hearing) => {
                is_told = true;
                // What others have told before was told to nobody here.
                wake_idle(&shared);
                while hearing.told().await.is_ok() {
                    wake_idle(&shared);
                }
                tracing::warn!("the jobs of others are not heard of any more; they are found a moment later");
            }
            // Once for each loss, not every second.
            Err(error) if !is_told => {
                is_told = true;
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    error,
                    "cannot hear of the jobs of others; they are found a moment later"
                );
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "still cannot hear of the jobs of others");
            }
        }
        sleep(HEAR_AGAIN_AFTER).await;
    }
}

/// Wakes those that have room: whose hands are full has told of it itself.
fn wake_idle(shared: &Shared) {
    for lane in &shared.lanes {
        if lane.hand.len() < lane.settings.concurrency {
            shared.signal.wake(lane.queue);
        }
    }
}

/// Tells other processes that there are more jobs than this one can do, until the task is aborted.
pub(super) async fn tell_others(shared: Arc<Shared>) {
    let mut waiter = shared.others.waiter();
    loop {
        waiter.woken().await;
        if let Err(error) = shared.store.tell_workers().await {
            // They look by themselves.
            let error: &dyn std::error::Error = &error;
            tracing::debug!(error, "cannot tell others of jobs");
        }
        sleep(TELL_EVERY).await;
    }
}
