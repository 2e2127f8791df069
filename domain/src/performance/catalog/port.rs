use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{Indexing, Measured, TableReport};
use crate::performance::maintenance::TableState;
use crate::store::StoreError;

/// A statement that waits for a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenLock {
    /// The table that it is of; a partition is part of its table.
    pub relation: String,
    /// For how long so far.
    pub waited: Duration,
    /// The process of the server that is in the way, or the first of several.
    pub holder: Option<i32>,
}

/// Tells how the tables and indexes of the product are doing.
#[async_trait]
pub trait Catalog: fmt::Debug + Send + Sync {
    /// A table of the product, by its name; `None`: it has none of this name. A partitioned table is the sum of its
    /// partitions, which have no reports of their own.
    async fn table(&self, name: &str) -> Result<Option<TableReport>, StoreError>;

    /// How all tables of the product are, as the server has counted; those with partitions by their partitions.
    async fn tables(&self) -> Result<Vec<TableState>, StoreError>;

    /// What statements ask of tables, and what indexes there are for it.
    async fn indexing(&self, measured: Measured) -> Result<Indexing, StoreError>;

    /// What statements wait for at this moment, whoever has sent them: a hundred of them at the most.
    async fn lock_waits(&self) -> Result<Vec<SeenLock>, StoreError>;
}
