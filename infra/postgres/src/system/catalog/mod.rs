//! What the catalog says of the tables of the product. Partitions are summed up: nobody made them by name.

mod indexing;
mod locks;
mod table;

use async_trait::async_trait;
use fairlead_domain::performance::catalog::{Catalog, Indexing, Measured, SeenLock, TableReport};
use fairlead_domain::performance::maintenance::TableState;
use fairlead_domain::store::StoreError;

use super::PgSystemStore;

#[async_trait]
impl Catalog for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.catalog.table", skip_all)]
    async fn table(&self, name: &str) -> Result<Option<TableReport>, StoreError> {
        table::report(self.cluster(), name).await
    }

    #[tracing::instrument(level = "debug", name = "db.catalog.tables", skip_all)]
    async fn tables(&self) -> Result<Vec<TableState>, StoreError> {
        table::states(self.cluster()).await
    }

    #[tracing::instrument(level = "debug", name = "db.catalog.indexing", skip_all)]
    async fn indexing(&self, measured: Measured) -> Result<Indexing, StoreError> {
        indexing::indexing(self.cluster(), self.now(), measured).await
    }

    #[tracing::instrument(level = "debug", name = "db.catalog.lock_waits", skip_all)]
    async fn lock_waits(&self) -> Result<Vec<SeenLock>, StoreError> {
        locks::waits(self.cluster()).await
    }
}

/// Sizes and counts are never negative.
pub(super) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of statements and rows, and widths of these"
)]
fn real(count: u64) -> f64 {
    count as f64
}
