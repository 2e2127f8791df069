//! Feeds a consumer from its place in the log on.

use std::time::Duration;

use fairlead_domain::events::{Consumer, Event, EventCursor};
use fairlead_domain::store::StoreError;
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::deliver::GivingUp;
use crate::looks::Looks;
use crate::signal::Waiter;
use crate::{BrokerParts, Shared};

/// Events per step.
pub(crate) const STRETCH: u32 = 500;
/// Looks begin so far apart at least. Each costs durable commits of its own, for what was done and for the place, and
/// takes them from those who write: what is written without a pause is handled in stretches.
const APART: Duration = Duration::from_millis(100);
/// What a broker has not brought is looked for so often.
const CATCH_UP_EVERY: Duration = Duration::from_secs(1);
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(10),
};
/// What a step has found.
enum Step {
    More(EventCursor),
    /// All that may be read was looked at.
    Done {
        place: EventCursor,
        is_held: bool,
        /// Whether all of it is done; then, whether no transaction was under way that writes.
        is_all: Option<bool>,
    },
    /// Somebody else has moved the reader.
    Moved,
}

/// Feeds a consumer for as long as this process leads.
pub(crate) async fn feed(shared: &Shared, consumer: &dyn Consumer) {
    let mut waiter = shared.signal.waiter();
    let mut looks = Looks::default();
    let mut place = None;
    let mut failures = 0;
    loop {
        let written = shared.log.written();
        match step(shared, consumer, place).await {
            Ok(step) => {
                failures = 0;
                place = match step {
                    Step::More(place) => {
                        looks.note_more();
                        Some(place)
                    }
                    Step::Done {
                        place: now,
                        is_held,
                        is_all,
                    } => {
                        match is_all {
                            Some(is_quiet) => looks.note_all(written, is_quiet),
                            None => looks.note_more(),
                        }
                        let pause = looks.rest(is_held, place != Some(now));
                        rest(shared, &mut waiter, &looks, pause).await;
                        Some(now)
                    }
                    Step::Moved => {
                        looks.note_more();
                        None
                    }
                };
            }
            Err(error) => {
                failures += 1;
                looks.note_more();
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
async fn rest(shared: &Shared, waiter: &mut Waiter, looks: &Looks, pause: Duration) {
    loop {
        let is_woken = if shared.broker.is_some() {
            // What is new is the broker's to bring, and what it has not brought is old when it is looked at.
            sleep(CATCH_UP_EVERY).await;
            false
        } else {
            waiter.woken_within(pause, APART).await
        };
        if is_woken || looks.nothing_until(shared.log.written()).is_none() {
            return;
        }
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
    let (is_full, is_held, found) = (stretch.is_full, stretch.is_held, stretch.events.len());
    if let Some(parts) = &shared.broker {
        leave_to_broker(parts, &mut stretch.events);
    }
    let is_whole = stretch.events.len() == found && !is_full && !is_held;
    let is_all = is_whole.then_some(stretch.is_quiet);
    let Some(last) = stretch.events.last().map(|event| event.cursor) else {
        return Ok(Step::Done {
            place,
            is_held,
            is_all,
        });
    };
    let cursors: Vec<EventCursor> = stretch.events.iter().map(|event| event.cursor).collect();
    let giving_up = match &shared.broker {
        // Who is away brings nothing, and there is much to do.
        Some(parts) if parts.broker.link().is_up => {
            GivingUp::IfBefore(parts.clock.now() - parts.give_up_after)
        }
        _ => GivingUp::AfterAttempts,
    };
    let undone = shared
        .delivery
        .deliver(consumer, stretch.events, giving_up)
        .await?;
    // What is behind an event that is left undone is done all the same, and known when it is read again.
    let last = match undone {
        None => last,
        Some(undone) => match cursors.into_iter().take_while(|cursor| *cursor < undone).last() {
            Some(before) => before,
            None => {
                return Ok(Step::Done {
                    place,
                    is_held,
                    is_all: None,
                });
            }
        },
    };
    if !shared.log.advance(name, place, last).await? {
        return Ok(Step::Moved);
    }
    Ok(if is_full && undone.is_none() {
        Step::More(last)
    } else {
        Step::Done {
            place: last,
            is_held,
            is_all: is_all.filter(|_| undone.is_none()),
        }
    })
}

/// Leaves out what the broker may still bring.
fn leave_to_broker(parts: &BrokerParts, events: &mut Vec<Event>) {
    let now = parts.clock.now();
    let before = now - parts.catch_up_after;
    // One that a clock elsewhere dated ahead is not waited for.
    let is_young = |event: &Event| event.occurred_at > before && event.occurred_at <= now;
    let young = events.iter().position(is_young);
    events.truncate(young.unwrap_or(events.len()));
}
