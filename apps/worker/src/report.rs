//! What this process does with events, and how far the readers are behind.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fairlead_domain::events::{Backlog, EventsReport};
use tokio::time::{MissedTickBehavior, interval};

use crate::Shared;

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Whoever keeps all readers waiting for longer is named in the log.
const HELD_TOO_LONG: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) leads: AtomicBool,
    pub(crate) is_log_ahead: AtomicBool,
    handled: AtomicU64,
    duplicates: AtomicU64,
    pub(crate) put_aside: AtomicU64,
    backlogs: Mutex<Vec<Backlog>>,
}

impl Counts {
    pub(crate) fn note_handled(&self, handled: usize, duplicates: usize) {
        self.handled.fetch_add(handled as u64, Ordering::Relaxed);
        self.duplicates.fetch_add(duplicates as u64, Ordering::Relaxed);
    }

    pub(crate) fn report(&self) -> EventsReport {
        EventsReport {
            leads: self.leads.load(Ordering::Relaxed),
            is_log_ahead: self.is_log_ahead.load(Ordering::Relaxed),
            backlogs: self
                .backlogs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            handled: self.handled.load(Ordering::Relaxed),
            duplicates: self.duplicates.load(Ordering::Relaxed),
            put_aside: self.put_aside.load(Ordering::Relaxed),
            followers: 0,
            waiting_bytes: 0,
            link: None,
        }
    }
}

/// Looks again and again, until the task is aborted.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut named = None;
    loop {
        ticks.tick().await;
        match shared.log.backlogs().await {
            Ok(backlogs) => {
                named = name_holder(&backlogs, named);
                *shared
                    .counts
                    .backlogs
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = backlogs;
            }
            // Others say that the database is away.
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "cannot look how far the readers of events are");
            }
        }
    }
}

/// Says who holds up all readers, once. Returns who was named last, for as long as that one holds.
fn name_holder(backlogs: &[Backlog], named: Option<i32>) -> Option<i32> {
    let holder = backlogs.iter().find_map(|backlog| backlog.holder.as_ref())?;
    if holder.open_for < HELD_TOO_LONG {
        return None;
    }
    if named != Some(holder.pid) {
        tracing::warn!(
            pid = holder.pid,
            application = holder.application,
            open_ms = u64::try_from(holder.open_for.as_millis()).unwrap_or(u64::MAX),
            "a transaction that has been open for long keeps events from being read"
        );
    }
    Some(holder.pid)
}
