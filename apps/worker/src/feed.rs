//! Feeds a consumer from its place in the log on.

use std::time::Duration;

use fairlead_domain::events::{Consumer, EventCursor};
use fairlead_domain::store::StoreError;
use tokio::time::sleep;

use crate::Shared;

/// Events per step.
const STRETCH: u32 = 500;
/// Nobody need tell: so often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// There are events that may be read as soon as a transaction ends, which nobody tells of.
const LOOK_WHILE_HELD: Duration = Duration::from_millis(20);
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(10),
};

/// How long to wait before something is tried again: twice as long each time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) most: Duration,
}

impl Backoff {
    /// After so many failures.
    pub(crate) fn after(self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.most)
    }
}

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
                        let pause = if is_held { LOOK_WHILE_HELD } else { LOOK_EVERY };
                        waiter.woken_within(pause).await;
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
    let stretch = shared.log.read(place, STRETCH).await?;
    let is_held = stretch.is_held;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_the_most() {
        let pauses: Vec<u64> = (1..=9)
            .map(|failures| BACKOFF.after(failures).as_millis().try_into().unwrap())
            .collect();

        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(BACKOFF.after(u32::MAX), BACKOFF.most);
    }
}
