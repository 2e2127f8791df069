use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use crate::store::StoreError;

/// What becomes of months of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArchiveStrategy {
    /// Written to the archive, and dropped once all of it is there.
    Move,
    /// Written to the archive, and kept.
    Copy,
    /// Dropped, and written nowhere.
    Delete,
}

impl ArchiveStrategy {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Copy => "copy",
            Self::Delete => "delete",
        }
    }

    /// Whether it needs a place to write to.
    pub fn writes(self) -> bool {
        self != Self::Delete
    }
}

/// A month of events that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldMonth {
    /// Its first day.
    pub month: Date,
    /// As of the last ANALYZE; `None` before the first.
    pub estimated_rows: Option<u64>,
    /// With its indexes.
    pub bytes: u64,
    /// Why it must not be dropped now.
    pub needed_by: Option<String>,
}

/// What has become of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonthOutcome {
    /// All of it is in the archive, and here as well.
    Copied,
    Dropped,
    /// It stays, for this reason.
    Kept(String),
    /// It is not all in the archive yet: the rest comes when this is asked again.
    Unfinished,
}

/// The log of events, by its months.
#[async_trait]
pub trait EventMonths: Debug + Send + Sync {
    /// Whether there is an archive to write to.
    fn has_archive(&self) -> bool;

    /// Those that are over by a moment, the oldest first.
    async fn old(&self, before: OffsetDateTime) -> Result<Vec<OldMonth>, StoreError>;

    /// Does it to one, and to what lies before it in no month. Goes on where it was left.
    async fn archive(&self, month: Date, strategy: ArchiveStrategy) -> Result<MonthOutcome, StoreError>;
}
