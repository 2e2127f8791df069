//! Who waits for events is woken: by the commits of its own process at once, by those of others a moment later, and
//! otherwise looks by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::Recorded;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::CommitListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::Shared;

/// Another process is told of many commits at once: each telling takes a lock that all tellers in the database share.
const TELL_EVERY: Duration = Duration::from_millis(20);

/// Events that come together are read together: each look is several statements.
const GATHER: Duration = Duration::from_millis(10);

/// Says that there are new events. Its clones are the same one.
#[derive(Clone, Debug)]
pub struct CommitSignal(Arc<watch::Sender<u64>>);

impl Default for CommitSignal {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl CommitSignal {
    /// Wakes all who wait.
    pub(crate) fn wake(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Someone who waits, from now on.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter(self.0.subscribe())
    }
}

#[async_trait]
impl CommitListener for CommitSignal {
    async fn committed(&self, _: TenantId, _: &[Recorded], _: LogPosition) {
        self.wake();
    }
}

/// Remembers whether it was woken while it did something else.
#[derive(Debug)]
pub(crate) struct Waiter(watch::Receiver<u64>);

impl Waiter {
    /// Waits until it is woken.
    async fn woken(&mut self) {
        // The sender is kept by the worker that this belongs to.
        let _ = self.0.changed().await;
    }

    /// Waits until it is woken, or for so long, and for what comes right behind.
    pub(crate) async fn woken_within(&mut self, limit: Duration) {
        let _ = timeout(limit, self.woken()).await;
        sleep(GATHER).await;
    }
}

/// Tells the process that leads of the commits of this one, for as long as that is another.
pub(crate) async fn tell_leader(shared: Arc<Shared>) {
    let mut waiter = shared.signal.waiter();
    loop {
        waiter.woken().await;
        if !shared.counts.leads.load(Ordering::Relaxed)
            && let Err(error) = shared.log.tell_leader().await
        {
            // It looks by itself.
            let error: &dyn std::error::Error = &error;
            tracing::debug!(error, "cannot tell of new events");
        }
        sleep(TELL_EVERY).await;
    }
}
