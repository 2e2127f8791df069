//! What happened: events and the audit trail, recorded through the unit of work that changes the rows, and read again
//! from the log in the order in which those changes were committed.

mod consumer;
mod entry;
mod envelope;
mod log;
mod reader;
mod recorded;

pub use consumer::{Consumer, HandleError, Inbox};
pub use entry::{Event, EventCursor};
pub use envelope::Envelope;
pub use log::{AggregateFilter, EventFilter, EventPage, Events};
pub use reader::{
    Backlog, EventLog, EventsMonitor, EventsReport, Holder, Leadership, LeadershipLost, Stretch,
};
pub use recorded::{Aggregate, Recorded, Source};
