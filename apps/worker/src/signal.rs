//! Who waits for events is woken: by the commits of its own process at once, by those of others a moment later, and
//! otherwise looks by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::Recorded;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::CommitListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::Shared;

/// Another process is told of many commits at once: each telling takes a lock that all tellers in the database share.
const TELL_EVERY: Duration = Duration::from_millis(20);

const HEAR_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Says that there are new events. Its clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct CommitSignal(Arc<Signals>);

#[derive(Debug, Default)]
struct Signals {
    /// Of this process.
    commits: watch::Sender<u64>,
    /// Of any process.
    news: watch::Sender<u64>,
}

impl CommitSignal {
    /// Wakes all who wait for events: another process has told of some.
    pub(crate) fn wake(&self) {
        raise(&self.0.news);
    }

    /// Someone who waits for events, from now on.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter::new(&self.0.news)
    }

    /// Someone who waits for commits of this process, from now on.
    fn of_commits(&self) -> Waiter {
        Waiter::new(&self.0.commits)
    }
}

fn raise(signal: &watch::Sender<u64>) {
    signal.send_modify(|count| *count = count.wrapping_add(1));
}

#[async_trait]
impl CommitListener for CommitSignal {
    async fn committed(&self, _: TenantId, _: &[Recorded], _: LogPosition) {
        raise(&self.0.commits);
        raise(&self.0.news);
    }
}

/// Remembers whether it was woken while it did something else.
#[derive(Debug)]
pub(crate) struct Waiter {
    signal: watch::Receiver<u64>,
    /// When the next look may begin.
    next: Instant,
}

impl Waiter {
    fn new(signal: &watch::Sender<u64>) -> Self {
        Self {
            signal: signal.subscribe(),
            next: Instant::now(),
        }
    }

    /// Waits until it is woken.
    pub(crate) async fn woken(&mut self) {
        // The sender is kept by the worker that this belongs to.
        let _ = self.signal.changed().await;
    }

    /// Waits until it is woken, or for so long, and until the look before began so far `apart`: the first event is read at
    /// once, and what comes right behind it together. Returns whether it was woken.
    pub(crate) async fn woken_within(&mut self, limit: Duration, apart: Duration) -> bool {
        let is_woken = timeout(limit, self.woken()).await.is_ok();
        sleep_until(self.next).await;
        self.next = Instant::now() + apart;
        is_woken
    }
}

/// Tells other processes of the commits of this one: the one that leads, and those where somebody follows.
pub(crate) async fn tell_others(shared: Arc<Shared>) {
    let mut waiter = shared.signal.of_commits();
    loop {
        waiter.woken().await;
        if let Err(error) = shared.log.tell_others().await {
            // They look by themselves.
            let error: &dyn std::error::Error = &error;
            tracing::debug!(error, "cannot tell of new events");
        }
        sleep(TELL_EVERY).await;
    }
}

/// Wakes those who wait for events when other processes tell of some, until the task is aborted.
pub(crate) async fn hear_others(shared: Arc<Shared>) {
    // The first failure is a loss, too.
    let is_heard = AtomicBool::new(true);
    let wake = || {
        is_heard.store(true, Ordering::Relaxed);
        shared.signal.wake();
    };
    loop {
        let Err(error) = shared.log.hear(&wake).await;
        // Once for each loss, not every second.
        if is_heard.swap(false, Ordering::Relaxed) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(
                error,
                "cannot hear of the events of others; they are found a moment later"
            );
        } else {
            let error: &dyn std::error::Error = &error;
            tracing::debug!(error, "still cannot hear of the events of others");
        }
        sleep(HEAR_AGAIN_AFTER).await;
    }
}
