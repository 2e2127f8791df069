use std::fmt;

use async_trait::async_trait;

use super::{Indexing, Measured, TableReport};
use crate::store::StoreError;

/// Tells how the tables and indexes of the product are doing.
#[async_trait]
pub trait Catalog: fmt::Debug + Send + Sync {
    /// A table of the product, by its name; `None`: it has none of this name. A partitioned table is the sum of its
    /// partitions, which have no reports of their own.
    async fn table(&self, name: &str) -> Result<Option<TableReport>, StoreError>;

    /// What statements ask of tables, and what indexes there are for it.
    async fn indexing(&self, measured: Measured) -> Result<Indexing, StoreError>;
}
