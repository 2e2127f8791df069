//! One process reads the log on behalf of all; the others stand by.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fairlead_domain::events::{Leadership, Lease};
use fairlead_domain::store::StoreError;
use futures_util::future::join_all;
use tokio::time::sleep;

use crate::Shared;
use crate::feed::feed;
use crate::relay::relay;
use crate::report::Counts;

const RETRY_AFTER: Duration = Duration::from_millis(500);
/// It takes somebody who has the log begin anew.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Leads whenever nobody else does, until the task is aborted.
pub(crate) async fn lead(shared: Arc<Shared>) {
    // The first failure is a loss, too.
    let is_heard = AtomicBool::new(true);
    let wake = || {
        is_heard.store(true, Ordering::Relaxed);
        shared.signal.wake();
    };
    loop {
        match shared.log.lead(&wake).await {
            Ok(leadership) => {
                if let Err(why) = may_read(&shared).await {
                    drop(leadership);
                    why.tell(&shared.counts, &is_heard);
                    sleep(LOOK_AGAIN_AFTER).await;
                    continue;
                }
                tracing::info!("this process reads the events");
                let leads = Leads::begin(&shared.counts);
                let lease = leadership.lease();
                // Whatever is under way is dropped with the leadership.
                tokio::select! {
                    () = hold(&shared, leadership) => {}
                    () = read(&shared, &*lease) => {}
                }
                drop(leads);
                tracing::warn!("this process reads the events no more: its connection for that is gone");
            }
            // Once for each loss, not twice a second.
            Err(error) if is_heard.swap(false, Ordering::Relaxed) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "cannot stand by to read the events");
            }
            Err(_) => {}
        }
        sleep(RETRY_AFTER).await;
    }
}

/// Why a process that could lead does not.
enum Refusal {
    /// A log of another server: it would be read, and nothing that happens now would ever be met.
    LogIsAhead,
    Store(StoreError),
}

async fn may_read(shared: &Shared) -> Result<(), Refusal> {
    match shared.log.is_ahead().await {
        Ok(false) => {
            shared.counts.is_log_ahead.store(false, Ordering::Relaxed);
            Ok(())
        }
        Ok(true) => Err(Refusal::LogIsAhead),
        Err(error) => Err(Refusal::Store(error)),
    }
}

impl Refusal {
    /// Once, and not each time that it is looked.
    fn tell(&self, counts: &Counts, is_heard: &AtomicBool) {
        match self {
            Self::LogIsAhead => {
                if !counts.is_log_ahead.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        "this process does not read the events: their log is of another server, which had come \
                         further, as after a dump was restored. Nobody is told of what happens, and nothing is done \
                         about it, until the log begins anew: `fairlead events begin-anew`, and docs/events.md, After \
                         a restore"
                    );
                }
            }
            Self::Store(error) => {
                if is_heard.swap(false, Ordering::Relaxed) {
                    let error: &dyn std::error::Error = error;
                    tracing::warn!(error, "cannot look whether the events may be read");
                }
            }
        }
    }
}

/// Says that this process leads, for as long as it does, however that ends.
struct Leads<'c>(&'c Counts);

impl<'c> Leads<'c> {
    fn begin(counts: &'c Counts) -> Self {
        counts.leads.store(true, Ordering::Relaxed);
        Self(counts)
    }
}

impl Drop for Leads<'_> {
    fn drop(&mut self) {
        self.0.leads.store(false, Ordering::Relaxed);
    }
}

/// Passes on what others tell; returns when the leadership is lost.
async fn hold(shared: &Shared, mut leadership: Box<dyn Leadership>) {
    while leadership.told().await.is_ok() {
        shared.signal.wake();
    }
}

/// Feeds every consumer, and the broker. Does not return.
async fn read(shared: &Arc<Shared>, lease: &dyn Lease) {
    let consumers = shared.delivery.consumers();
    let feeding = join_all(consumers.iter().map(|consumer| feed(shared, &**consumer)));
    match &shared.broker {
        Some(parts) => drop(tokio::join!(feeding, relay(shared, &*parts.broker, lease))),
        None => drop(feeding.await),
    }
    // Without consumers there is nothing to do but to lead.
    std::future::pending::<()>().await;
}
