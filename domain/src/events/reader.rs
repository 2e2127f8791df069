use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Event, EventCursor, LinkReport};
use crate::consistency::LogPosition;
use crate::store::StoreError;

/// The log of all tenants, for those who follow it on behalf of the platform.
///
/// A reader has a name and a place in the log, kept beside the log: all up to there is done.
#[async_trait]
pub trait EventLog: Debug + Send + Sync {
    /// Reads up to `limit` events behind `after`, the oldest first, and leaves what is still being committed, with all
    /// behind it, for the next time.
    async fn read(&self, after: EventCursor, limit: u32) -> Result<Stretch, StoreError>;

    /// Up to where the database is written, as it was seen last; asks nobody. `None` when it was not seen.
    fn written(&self) -> Option<Written>;

    /// The last event that can be read now; before all events when there is none.
    async fn end(&self) -> Result<EventCursor, StoreError>;

    /// Where a reader is; one that is new is before all events, and is known from now on.
    async fn place(&self, reader: &str) -> Result<EventCursor, StoreError>;

    /// Moves a reader on. Returns whether it was still at `from`: otherwise somebody else has moved it, and stays.
    async fn advance(&self, reader: &str, from: EventCursor, to: EventCursor) -> Result<bool, StoreError>;

    /// How far readers are behind.
    async fn backlogs(&self) -> Result<Vec<Backlog>, StoreError>;

    /// Whether the log is of another server, which had come further: what is recorded now stands before all that was, and no
    /// reader meets it.
    async fn is_ahead(&self) -> Result<bool, StoreError>;

    /// Waits until this is the one process that reads on behalf of all, and has `told` called when another process
    /// tells of new events meanwhile; and once when it begins to hear, because what was told before was told to nobody. It
    /// is that one until the result is dropped, or its connection to the database ends.
    async fn lead(&self, told: &(dyn Fn() + Send + Sync)) -> Result<Box<dyn Leadership>, StoreError>;

    /// Has `told` called whenever another process tells of new events, for one that never leads; and once when it begins to
    /// hear. Does not return while its connection to the database lasts.
    async fn hear(&self, told: &(dyn Fn() + Send + Sync)) -> Result<Infallible, StoreError>;

    /// Tells all other processes that there are new events. Outside any transaction that writes: those would wait for
    /// each other.
    async fn tell_others(&self) -> Result<(), StoreError>;
}

/// Events that were read together.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what one look at the log has shown: any of them may be so or not"
)]
pub struct Stretch {
    /// The moment before the log was asked: what was committed by then is in here, unless it is held or there is more.
    pub asked: Instant,
    pub events: Vec<Event>,
    /// Of each of them, the transaction that recorded it: alike for those that became durable together, and for no
    /// others near them.
    pub transactions: Vec<u32>,
    /// Whether there are as many as were asked for: there may be more.
    pub is_full: bool,
    /// Whether there are events that may not be read yet, because a transaction older than theirs is under way.
    pub is_held: bool,
    /// Whether no transaction was under way behind the read that writes: all events from before can be read by now, and
    /// with those that come [`EventLog::written`] goes on.
    pub is_quiet: bool,
    /// Whether the place that was read from is ahead of all that this server has recorded: it is of another one, or of a
    /// time that was lost.
    pub is_ahead: bool,
    /// Behind the commits of all events that were read.
    pub as_of: LogPosition,
}

/// Up to where the database is written. As long as that stays the same, no transaction becomes durable.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    pub position: LogPosition,
    /// The moment before the database was asked.
    pub seen: Instant,
}

/// Being the one who reads.
#[async_trait]
pub trait Leadership: Debug + Send {
    /// Waits until another process has told of new events. Fails when the leadership is lost. It is kept for as long as
    /// somebody waits here.
    async fn told(&mut self) -> Result<(), LeadershipLost>;

    fn lease(&self) -> Arc<dyn Lease>;
}

/// Tells whether a leadership is still held, without asking anybody.
pub trait Lease: Debug + Send + Sync {
    /// Whether it is certain that nobody else leads. A process that has stood still for long learns by this that it does
    /// not lead any more before it hears so.
    fn holds(&self) -> bool;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection that held the leadership is gone")]
pub struct LeadershipLost;

/// What a reader has not done yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub reader: String,
    /// All up to here is done.
    pub place: EventCursor,
    /// At the most [`Backlog::COUNTED`].
    pub events: u64,
    /// How long the oldest of them has been waiting; where a broker brings events, beyond the time that it has for that.
    pub oldest: Option<Duration>,
    /// Who keeps them from being read, when a transaction has been open for long.
    pub holder: Option<Holder>,
}

impl Backlog {
    /// Further nobody counts.
    pub const COUNTED: u64 = 10_000;
}

/// A transaction that has not ended, so that nothing committed after it began can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The server process it belongs to.
    pub pid: i32,
    pub application: String,
    pub open_for: Duration,
}

/// Tells how the events fare.
pub trait EventsMonitor: Debug + Send + Sync {
    fn report(&self) -> EventsReport;
}

/// How the events fare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventsReport {
    /// Whether this process is the one that reads.
    pub leads: bool,
    /// Whether it would be, and does not read a log that is of another server.
    pub is_log_ahead: bool,
    /// Clients that follow events by this process.
    pub followers: u64,
    /// What the events take that wait for those who are slow to take them.
    pub waiting_bytes: u64,
    /// Of each reader, when last looked; empty before the first look.
    pub backlogs: Vec<Backlog>,
    /// Events that this process has handled, each once for each consumer.
    pub handled: u64,
    /// Those that it found to be handled already.
    pub duplicates: u64,
    /// Those that it has put aside.
    pub put_aside: u64,
    /// The link to the broker; `None` where there is none.
    pub link: Option<LinkReport>,
}
