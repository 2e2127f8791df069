use crate::wire::Row;
use async_trait::async_trait;
use fairlead_domain::identity::{DatabaseSize, ExtensionState, Platform, Preparation, TableSize};
use fairlead_domain::store::StoreError;

use super::PgSystemUnitOfWork;
use super::catalog::count;
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

/// Of who takes a lock on a table, and needs not do so now: who waits for one holds up all who come next, and has a connection
/// meanwhile that others need.
pub(super) const WAIT: &str = "SELECT set_config('lock_timeout', '500ms', true)";

/// For the months to come.
pub(super) const MAKE_PARTITIONS: &str = "SELECT make_partitions(3)::bigint";

// With the default one of each.
const PARTITIONS: &str = "
    SELECT count(*) FROM pg_inherits
    WHERE inhparent IN ('public.events'::regclass, 'public.audit_log'::regclass)";

const NEEDED: &str = "
    SELECT name, to_regclass(name) IS NOT NULL
    FROM unnest(ARRAY['perf.acts', 'perf.samples', 'perf.objective_counts', 'perf.alert_turn', 'perf.alert_rules', 'perf.objectives',
                      'perf.alert_watches', 'perf.alerts', 'perf.alert_notices', 'public.tenant_usage',
                      'public.web_vitals']) AS name
    ORDER BY name";

const EXTENSIONS: &str = "
    SELECT e.name, x.extname IS NOT NULL, a.name IS NOT NULL
    FROM unnest(ARRAY['pg_stat_statements', 'hypopg']) AS e (name)
    LEFT JOIN pg_extension AS x ON x.extname = e.name
    LEFT JOIN pg_available_extensions AS a ON a.name = e.name
    ORDER BY e.name";

#[async_trait]
impl Platform for PgSystemUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.platform.database_size", skip_all)]
    async fn database_size(&mut self) -> Result<DatabaseSize, StoreError> {
        let row = self.connection.sql(DATABASE_BYTES).fetch_one().await?;
        let total_bytes = count(row.try_get(0).map_err(SqlError::from)?);
        let rows = self.connection.sql(TABLES).fetch_all().await?;
        let table = |row: &Row| -> Result<TableSize, crate::wire::Error> {
            Ok(TableSize {
                name: row.try_get(0)?,
                table_bytes: count(row.try_get(1)?),
                index_bytes: count(row.try_get(2)?),
                estimated_rows: row.try_get::<Option<i64>>(3)?.map(count),
            })
        };
        let tables = rows
            .iter()
            .map(table)
            .collect::<Result<_, crate::wire::Error>>()
            .map_err(SqlError::from)?;
        Ok(DatabaseSize { total_bytes, tables })
    }

    #[tracing::instrument(level = "debug", name = "db.platform.prepare", skip_all)]
    async fn prepare(&mut self) -> Result<Preparation, StoreError> {
        let found = self.connection.sql(PARTITIONS).fetch_one().await?;
        let tables = self.connection.sql(NEEDED).fetch_all().await?;
        let extensions = self.connection.sql(EXTENSIONS).fetch_all().await?;
        // Last, as what it locks is locked until the end.
        self.connection.sql(WAIT).enqueue().await?;
        let made = self.connection.sql(MAKE_PARTITIONS).fetch_one().await?;
        let read = || -> Result<Preparation, crate::wire::Error> {
            Ok(Preparation {
                tables: tables
                    .iter()
                    .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
                    .collect::<Result<_, crate::wire::Error>>()?,
                partitions_found: count(found.try_get(0)?),
                partitions_made: count(made.try_get(0)?),
                extensions: extensions
                    .iter()
                    .map(|row| {
                        let (is_installed, is_available) = (row.try_get(1)?, row.try_get(2)?);
                        let state = match (is_installed, is_available) {
                            (true, _) => ExtensionState::Installed,
                            (false, true) => ExtensionState::Available,
                            (false, false) => ExtensionState::Missing,
                        };
                        Ok((row.try_get(0)?, state))
                    })
                    .collect::<Result<_, crate::wire::Error>>()?,
            })
        };
        Ok(read().map_err(SqlError::from)?)
    }
}
