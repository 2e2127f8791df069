use std::error::Error;
use std::fmt::Debug;

use async_trait::async_trait;
use time::Date;
use uuid::Uuid;

use super::Event;
use crate::identity::TenantId;

/// Which events: two sets that are equal are the same, but by a chance of one in 2^62.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventSet {
    pub count: u64,
    /// The last 64 bits of their ids, all of them by exclusive or: these are random.
    pub digest: u64,
}

impl EventSet {
    pub fn add(&mut self, id: Uuid) {
        self.count += 1;
        self.digest ^= id.as_u64_pair().1;
    }
}

/// Where months of events are written before they are dropped.
#[async_trait]
pub trait EventArchive: Debug + Send + Sync {
    /// Goes on with a month where it was left, or begins it. One that was written to its end with these events is
    /// answered as it is; where it has others than are to be dropped now, it is begun anew beside that.
    ///
    /// # Errors
    ///
    /// Another process is writing it, or it cannot be written.
    async fn open(&self, month: Date, events: EventSet) -> Result<Box<dyn ArchivedMonth>, ArchiveError>;
}

/// A month that is being written.
#[async_trait]
pub trait ArchivedMonth: Debug + Send {
    /// Whether it is written to its end.
    fn is_whole(&self) -> bool;

    /// Events that are written for good.
    fn events(&self) -> EventSet;

    /// The tenant and the id of the last of them: they are written in the order of these.
    fn last(&self) -> Option<(TenantId, Uuid)>;

    /// Writes the next ones for good.
    async fn append(&mut self, events: Vec<Event>) -> Result<(), ArchiveError>;

    /// Says for good that it is written to its end.
    async fn seal(&mut self) -> Result<(), ArchiveError>;
}

#[derive(Debug, thiserror::Error)]
#[error("a month of events cannot be archived")]
pub struct ArchiveError(#[source] pub Box<dyn Error + Send + Sync>);
