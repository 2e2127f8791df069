//! What happened: events and the audit trail, recorded through the unit of work that changes the rows; the log of events,
//! read in the order of cause; and what is done about them, by whom and by which way.

mod archive;
mod broker;
mod consumer;
mod entry;
mod envelope;
mod live;
mod log;
mod observer;
mod others;
mod reader;
mod recorded;

pub use archive::{ArchiveError, ArchivedMonth, EventArchive, EventSet};
pub use broker::{Broker, Delivered, EventHandler, LinkReport, PublishError, Verdict};
pub use consumer::{Consumer, HANDLE_EVENT, HandleError, Inbox, handle_event_key};
pub use entry::{Event, EventCursor};
pub use envelope::Envelope;
pub use live::{FollowError, Followed, Heard, LiveEvent, LiveEvents, LiveLog, Shown};
pub use log::{AggregateFilter, EventFilter, EventPage, Events, EventsDropped};
pub use observer::EventObserver;
pub use others::OtherProcesses;
pub use reader::{
    Backlog, EventLog, EventsMonitor, EventsReport, Holder, Leadership, LeadershipLost, Lease, Stretch,
    Written,
};
pub use recorded::{Aggregate, Recorded, Source};
