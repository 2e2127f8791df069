//! Publishes the log to the broker, in order.

use std::time::Duration;

use fairlead_domain::events::{Broker, EventCursor, Lease, PublishError};
use fairlead_domain::store::StoreError;
use tokio::time::sleep;

use crate::Shared;
use crate::backoff::Backoff;
use crate::feed::STRETCH;
use crate::looks::{APART, Looks};

/// The reader's name.
pub(crate) const RELAY: &str = "relay";
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(2),
};

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("the log cannot be read")]
    Store(#[from] StoreError),
    #[error("events cannot be published")]
    Publish(#[from] PublishError),
}

/// Where the relay is, as far as is known, and what it has found there.
struct Step {
    place: Option<EventCursor>,
    /// Whether there may be more to publish at once.
    is_full: bool,
    is_held: bool,
    /// Whether no transaction was under way that writes.
    is_quiet: bool,
}

/// Publishes for as long as this process leads.
///
/// The place moves only over what the broker has confirmed. Whatever is under way when the link breaks is published
/// again: it may be there twice, and is never missing.
pub(crate) async fn relay(shared: &Shared, broker: &dyn Broker, lease: &dyn Lease) {
    let mut waiter = shared.signal.waiter();
    let mut looks = Looks::default();
    let mut place = None;
    let mut failures = 0;
    loop {
        let written = shared.log.written();
        match step(shared, broker, lease, place).await {
            Ok(step) => {
                failures = 0;
                if step.is_full || step.is_held || step.place.is_none() {
                    looks.note_more();
                } else {
                    looks.note_all(written, step.is_quiet);
                }
                if !step.is_full {
                    let pause = looks.rest(step.is_held, place != step.place);
                    while !waiter.woken_within(pause, APART).await
                        && looks.nothing_until(shared.log.written()).is_some()
                    {}
                }
                place = step.place;
            }
            Err(error) => {
                failures += 1;
                looks.note_more();
                place = None;
                if failures == 1 {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "events wait to be published");
                }
                sleep(BACKOFF.after(failures)).await;
            }
        }
    }
}

async fn step(
    shared: &Shared,
    broker: &dyn Broker,
    lease: &dyn Lease,
    place: Option<EventCursor>,
) -> Result<Step, RelayError> {
    let place = match place {
        Some(place) => place,
        None => shared.log.place(RELAY).await?,
    };
    let stretch = shared.log.read(place, STRETCH).await?;
    let published = broker.publish(&stretch.events, lease).await;
    let confirmed = match &published {
        Ok(()) => stretch.events.len(),
        Err(error) => error.confirmed,
    };
    let last = confirmed.checked_sub(1).and_then(|last| stretch.events.get(last));
    let place = match last {
        None => Some(place),
        Some(last) => {
            let moved = shared.log.advance(RELAY, place, last.cursor).await?;
            moved.then_some(last.cursor)
        }
    };
    published?;
    Ok(Step {
        place,
        is_full: stretch.is_full,
        is_held: stretch.is_held,
        is_quiet: stretch.is_quiet,
    })
}
