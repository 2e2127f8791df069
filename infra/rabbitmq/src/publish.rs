//! Publishing, in order and confirmed.

use std::time::Duration;

use fairlead_domain::events::{Envelope, Event, Lease, PublishError};
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation, Error, PublisherConfirm};
use tokio::time::timeout;

use crate::message::{properties, routing_key};

/// A broker that is slower than this does not answer. One that comes back after a crash may lose a confirm for good, and
/// then nothing is published until the link begins anew.
const CONFIRM_WITHIN: Duration = Duration::from_secs(10);

/// Why an event is not known to be with the broker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unconfirmed {
    #[error("RabbitMQ is away")]
    Away,
    #[error("RabbitMQ failed")]
    Failed(#[from] Error),
    #[error("another process may be publishing by now")]
    Lapsed,
    #[error("RabbitMQ refused the event")]
    Refused,
    #[error("no queue takes the event")]
    Unroutable,
    #[error("RabbitMQ did not confirm within {} s", CONFIRM_WITHIN.as_secs())]
    Silent,
}

/// How far publishing came, and why no further.
pub(crate) struct Stopped {
    pub(crate) confirmed: usize,
    pub(crate) why: Unconfirmed,
}

impl Stopped {
    /// Whether the channel may be used on: nothing was sent on it that is not confirmed.
    pub(crate) fn is_clean(&self) -> bool {
        matches!(self.why, Unconfirmed::Lapsed)
    }
}

impl From<Stopped> for PublishError {
    fn from(Stopped { confirmed, why }: Stopped) -> Self {
        Self {
            confirmed,
            source: Box::new(why),
        }
    }
}

/// Publishes all, then waits for their confirms in order.
pub(crate) async fn publish(
    channel: &Channel,
    exchange: &str,
    events: &[Event],
    lease: &dyn Lease,
) -> Result<(), Stopped> {
    let mut confirms = Vec::with_capacity(events.len());
    let mut failure = None;
    for event in events {
        // This process may have stood still since the last one, and another may have gone on.
        if !lease.holds() {
            failure = Some(Unconfirmed::Lapsed);
            break;
        }
        match send(channel, exchange, event).await {
            Ok(confirm) => confirms.push(confirm),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    let mut confirmed = 0;
    for confirm in confirms {
        if let Err(error) = settle(confirm).await {
            if matches!(error, Unconfirmed::Unroutable) {
                // lapin tells what came back with whichever confirm comes next, so it may be one before.
                confirmed = 0;
            }
            failure = Some(error);
            break;
        }
        confirmed += 1;
    }
    match failure {
        None => Ok(()),
        Some(why) => Err(Stopped { confirmed, why }),
    }
}

async fn send(channel: &Channel, exchange: &str, event: &Event) -> Result<PublisherConfirm, Unconfirmed> {
    // What no queue takes comes back.
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let body = Envelope(event).to_json();
    let sending = channel.basic_publish(
        exchange.into(),
        routing_key(event).into(),
        options,
        body.as_bytes(),
        properties(event),
    );
    match timeout(CONFIRM_WITHIN, sending).await {
        Ok(sent) => Ok(sent?),
        Err(_) => Err(Unconfirmed::Silent),
    }
}

pub(crate) async fn settle(confirm: PublisherConfirm) -> Result<(), Unconfirmed> {
    match timeout(CONFIRM_WITHIN, confirm).await {
        Ok(Ok(Confirmation::Ack(None))) => Ok(()),
        Ok(Ok(Confirmation::Ack(Some(_)))) => Err(Unconfirmed::Unroutable),
        Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => Err(Unconfirmed::Refused),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Unconfirmed::Silent),
    }
}
