//! How new a read must be.

use std::fmt;

/// A position in the primary's log. What was committed up to it is seen by whoever has replayed up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// Grows with each promotion of a replica.
    pub timeline: u32,
    /// The log sequence number: bytes since the cluster began.
    pub lsn: u64,
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let low = self.lsn & u64::from(u32::MAX);
        write!(f, "{}/{:X}/{low:X}", self.timeline, self.lsn >> 32)
    }
}

/// What a read must see at the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Whatever a replica within the permitted lag has.
    #[default]
    Eventual,
    /// All that was committed up to this position.
    AtLeast(LogPosition),
    /// All that was committed before the read began.
    Strong,
}
