use std::error::Error;
use std::fmt::Debug;

use async_trait::async_trait;

use super::{Event, Lease};

/// Carries events to whoever subscribes, in this installation and outside.
#[async_trait]
pub trait Broker: Debug + Send + Sync {
    /// Publishes events in their order, each only while `lease` holds, and waits until the broker has them for good.
    async fn publish(&self, events: &[Event], lease: &dyn Lease) -> Result<(), PublishError>;

    fn link(&self) -> LinkReport;
}

/// Not all of the events are known to be with the broker.
#[derive(Debug, thiserror::Error)]
#[error("the broker has not confirmed all events")]
pub struct PublishError {
    /// So many of the first are. Of the others nothing is known: they may be there, too.
    pub confirmed: usize,
    pub source: Box<dyn Error + Send + Sync>,
}

/// How the link to the broker is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkReport {
    pub is_up: bool,
    /// How often it came up.
    pub connects: u64,
    /// Events that the broker has confirmed to this process.
    pub published: u64,
    /// Deliveries of the broker that failed, and come again later.
    pub retried: u64,
    /// Those that were given up, and were put into the dead-letter queue.
    pub dead: u64,
    /// What lies there, when this process looked last.
    pub dead_letters: u64,
    /// What this process has dropped there because it was too much.
    pub dead_dropped: u64,
}

/// Takes what a broker delivers.
#[async_trait]
pub trait EventHandler: Debug + Send + Sync {
    /// Handles events in their order; returns for each what is to become of its delivery.
    async fn handle(&self, delivered: &[Delivered]) -> Vec<Verdict>;
}

/// An event as a broker delivers it.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub event: Event,
    /// How often it has failed before.
    pub failures: u32,
    /// Whether this attempt is the last one.
    pub is_last: bool,
}

/// What is to become of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Done,
    /// It is to come again later.
    Retry,
    /// It is given up.
    Reject,
}
