use crate::wire::Row;
use async_trait::async_trait;
use fairlead_domain::identity::{DatabaseSize, Platform, TableSize};
use fairlead_domain::store::StoreError;

use super::PgSystemUnitOfWork;
use crate::error::SqlError;

const DATABASE_BYTES: &str = "SELECT pg_database_size(current_database())";

// A partitioned table is the sum of its partitions. `reltuples` is -1 before the first ANALYZE; a sum with an unknown
// part is unknown.
const TABLES: &str = "
    SELECT root.relname,
           SUM(pg_table_size(part.oid))::bigint,
           SUM(pg_indexes_size(part.oid))::bigint AS index_bytes,
           CASE WHEN bool_and(part.reltuples >= 0) THEN SUM(part.reltuples)::bigint END
    FROM pg_class AS part
    JOIN pg_class AS root ON root.oid = COALESCE(pg_partition_root(part.oid), part.oid)
    JOIN pg_namespace AS space ON space.oid = root.relnamespace
    WHERE part.relkind = 'r' AND space.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    GROUP BY root.oid, root.relname
    ORDER BY SUM(pg_total_relation_size(part.oid)) DESC, root.relname";

#[async_trait]
impl Platform for PgSystemUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.platform.database_size", skip_all)]
    async fn database_size(&mut self) -> Result<DatabaseSize, StoreError> {
        let row = self.connection.sql(DATABASE_BYTES).fetch_one().await?;
        let total_bytes = bytes(row.try_get(0).map_err(SqlError::from)?);
        let rows = self.connection.sql(TABLES).fetch_all().await?;
        let table = |row: &Row| -> Result<TableSize, crate::wire::Error> {
            Ok(TableSize {
                name: row.try_get(0)?,
                table_bytes: bytes(row.try_get(1)?),
                index_bytes: bytes(row.try_get(2)?),
                estimated_rows: row.try_get::<Option<i64>>(3)?.map(bytes),
            })
        };
        let tables = rows
            .iter()
            .map(table)
            .collect::<Result<_, crate::wire::Error>>()
            .map_err(SqlError::from)?;
        Ok(DatabaseSize { total_bytes, tables })
    }
}

/// Sizes and counts are never negative.
fn bytes(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
