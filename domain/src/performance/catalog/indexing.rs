use std::time::Duration;

use time::OffsetDateTime;

use crate::performance::index_advice::Workload;
use crate::performance::{Fingerprint, StatementReport};

/// What is to be judged: the statements that were measured, and for how long.
#[derive(Clone, Debug)]
pub struct Measured {
    pub statements: Vec<StatementReport>,
    pub period: Duration,
}

/// The statements that were measured, and what there is for them.
#[derive(Clone, Debug)]
pub struct Indexing {
    pub workload: Workload,
    /// Every index, those included that the workload cannot have.
    pub indexes: Vec<IndexFacts>,
    /// Since when the use of indexes is counted, and for how many whole days.
    pub counted_since: Option<OffsetDateTime>,
    pub days: u32,
    /// Statements on which nothing can be said: they are not read as what they are.
    pub unread: Vec<Fingerprint>,
}

/// An index, as the catalog has it. That of a partitioned table is the sum of those of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFacts {
    pub name: String,
    pub table: String,
    /// The statement that makes it.
    pub definition: String,
    pub bytes: u64,
    pub scans: u64,
    pub rows_fetched: u64,
    pub is_unique: bool,
    pub is_constraint: bool,
    pub is_valid: bool,
}
