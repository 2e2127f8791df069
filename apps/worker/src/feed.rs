//! Feeds a consumer from its place in the log on.

use std::time::Duration;

use fairlead_domain::events::{Consumer, Event, EventCursor};
use fairlead_domain::store::StoreError;
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::signal::Waiter;
use crate::{BrokerParts, Shared};

/// Events per step.
pub(crate) const STRETCH: u32 = 500;
/// Nobody need tell: so often it is looked.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// There are events that may be read as soon as a transaction ends, which nobody tells of.
pub(crate) const LOOK_WHILE_HELD: Duration = Duration::from_millis(20);
/// What a broker has not brought is looked for so often.
const CATCH_UP_EVERY: Duration = Duration::from_secs(1);
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(10),
};

/// What a step has found.
enum Step {
    More(EventCursor),
    /// All that may be read is done.
    Done {
        place: EventCursor,
        is_held: bool,
    },
    /// Somebody else has moved the reader.
    Moved,
}

/// Feeds a consumer for as long as this process leads.
pub(crate) async fn feed(shared: &Shared, consumer: &dyn Consumer) {
    let mut waiter = shared.signal.waiter();
    let mut place = None;
    let mut failures = 0;
    loop {
        match step(shared, consumer, place).await {
            Ok(step) => {
                failures = 0;
                place = match step {
                    Step::More(place) => Some(place),
                    Step::Done { place, is_held } => {
                        rest(shared, &mut waiter, is_held).await;
                        Some(place)
                    }
                    Step::Moved => None,
                };
            }
            Err(error) => {
                failures += 1;
                // What was last written may be written.
                place = None;
                if failures == 1 {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(consumer = consumer.name(), error, "events wait for the database");
                }
                sleep(BACKOFF.after(failures)).await;
            }
        }
    }
}

/// Waits until there may be something to do.
async fn rest(shared: &Shared, waiter: &mut Waiter, is_held: bool) {
    if shared.broker.is_some() {
        // What is new is the broker's to bring, and what it has not brought is old when it is looked at.
        sleep(CATCH_UP_EVERY).await;
    } else {
        let pause = if is_held { LOOK_WHILE_HELD } else { LOOK_EVERY };
        waiter.woken_within(pause).await;
    }
}

async fn step(
    shared: &Shared,
    consumer: &dyn Consumer,
    place: Option<EventCursor>,
) -> Result<Step, StoreError> {
    let name = consumer.name();
    let place = match place {
        Some(place) => place,
        None => shared.log.place(name).await?,
    };
    let mut stretch = shared.log.read(place, STRETCH).await?;
    let is_held = stretch.is_held;
    if let Some(parts) = &shared.broker {
        leave_to_broker(parts, &mut stretch.events);
    }
    let is_full = stretch.events.len() >= STRETCH as usize;
    let Some(last) = stretch.events.last().map(|event| event.cursor) else {
        return Ok(Step::Done { place, is_held });
    };
    shared.delivery.deliver(consumer, stretch.events).await?;
    if !shared.log.advance(name, place, last).await? {
        return Ok(Step::Moved);
    }
    Ok(if is_full {
        Step::More(last)
    } else {
        Step::Done { place: last, is_held }
    })
}

/// Leaves out what the broker may still bring.
fn leave_to_broker(parts: &BrokerParts, events: &mut Vec<Event>) {
    let before = parts.clock.now() - parts.catch_up_after;
    let young = events.iter().position(|event| event.occurred_at > before);
    events.truncate(young.unwrap_or(events.len()));
}
