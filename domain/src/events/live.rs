use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Event, EventCursor};
use crate::identity::TenantId;

/// The log as it grows, for those who want to be told.
#[async_trait]
pub trait LiveLog: Debug + Send + Sync {
    /// Follows a tenant's events. Who does hears nothing before it begins to.
    async fn follow(&self, tenant: TenantId) -> Result<Followed, FollowError>;
}

/// A tenant's log as it grows from a place on.
#[derive(Debug)]
pub struct Followed {
    /// What is not behind it could be read from the log before this was answered.
    pub from: EventCursor,
    pub events: Box<dyn LiveEvents>,
}

/// The events of one tenant, as they become readable.
#[async_trait]
pub trait LiveEvents: Debug + Send {
    /// Hears what comes from now on, and nothing that waits still: all behind the place that is answered, the rest of
    /// which can be read from the log.
    fn hear(&mut self) -> EventCursor;

    /// Hears nothing any more: no event waits for who rests.
    fn rest(&mut self);

    /// Waits for the next event. Whoever stops waiting misses nothing by it.
    async fn next(&mut self) -> Heard;

    /// The next event, where it is there already.
    fn try_next(&mut self) -> Option<Heard>;

    /// How far everybody has been told by now: what is behind it is still to be heard.
    fn place(&self) -> EventCursor;

    /// How many events wait to be taken.
    fn waiting(&self) -> usize;

    /// Waits until the process stops.
    async fn closing(&self);

    /// Whether the process stops. Whoever does not wait for what comes, but reads the log, asks.
    fn is_closing(&self) -> bool;
}

/// An event that all who follow its tenant hear.
#[derive(Debug)]
pub struct LiveEvent {
    pub event: Event,
    /// What the first of them has made of it for its client; the others' clients are shown the same.
    pub shown: OnceLock<Shown>,
}

/// An event as clients are shown it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// In its envelope, as JSON.
    pub data: String,
    /// From which a client goes on behind it.
    pub cursor: String,
    /// A whole message of the first kind of connection that has sent it as one: to all the same.
    pub message: OnceLock<Bytes>,
}

/// What one who follows hears.
#[derive(Clone, Debug)]
pub enum Heard {
    Event(Arc<LiveEvent>),
    /// Events came faster than they were taken, and some are gone: they stand in the log.
    Missed,
    /// The process stops.
    Closing,
}

/// Why a log cannot be followed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    #[error("this tenant follows its events {0} times already")]
    TooManyOfTenant(usize),
    #[error("{0} clients follow events here already")]
    TooMany(usize),
    #[error("the log of events is out of reach")]
    Unavailable,
    #[error("the process stops")]
    Closing,
}
