//! The queue of dead letters, and how it is kept from growing for ever.
//!
//! What lies there is a copy: the event stays in its log, and what was not done about it is noted in the inbox and is a
//! job. So the oldest may go. It is done here and not by an argument of the queue, because such a one could not be
//! changed where the queue is already, and the broker would not say what it has dropped.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lapin::options::{BasicAckOptions, BasicGetOptions};
use lapin::{Channel, Connection, Error};
use tokio::select;
use tokio::time::sleep;

use crate::link::{LinkFault, Shared};
use crate::topology;

/// Others may put something there, too.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// What dies together is looked at together.
const GATHER: Duration = Duration::from_secs(1);

/// Keeps an eye on the queue until the link breaks.
pub(crate) async fn keep_bounded(shared: &Shared, connection: &Connection) -> Result<Infallible, LinkFault> {
    let channel = connection.create_channel().await?;
    loop {
        look(shared, &channel).await?;
        select! {
            () = sleep(LOOK_EVERY) => {}
            () = shared.buried.notified() => sleep(GATHER).await,
        }
    }
}

/// Processes that look at the same moment may each take one more than they need to.
async fn look(shared: &Shared, channel: &Channel) -> Result<(), Error> {
    let most = shared.settings.dead_letters;
    let mut letters = topology::declare_dead(channel, &shared.names).await?;
    let mut dropped: u64 = 0;
    let (mut first, mut last) = (None, None);
    while letters > most {
        let queue = shared.names.dead.as_str().into();
        let Some(letter) = channel.basic_get(queue, BasicGetOptions::default()).await? else {
            break;
        };
        let id = letter.properties.message_id().as_ref().map(ToString::to_string);
        letter.ack(BasicAckOptions::default()).await?;
        letters = letter.message_count;
        dropped += 1;
        shared.counts.dead_dropped.fetch_add(1, Ordering::Relaxed);
        first = first.or_else(|| id.clone());
        last = id.or(last);
    }
    shared
        .counts
        .dead_letters
        .store(letters.into(), Ordering::Relaxed);
    if dropped > 0 {
        tracing::warn!(
            dropped,
            most,
            first.event.id = first,
            last.event.id = last,
            "the oldest dead letters were dropped from RabbitMQ; their events stay in the log"
        );
    }
    Ok(())
}
