//! What statements wait for.

use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::performance::catalog::SeenLock;
use fairlead_domain::store::StoreError;

use crate::error::SqlError;
use crate::nodes::Cluster;
use crate::wire::{Error, Row};

// Of a row that somebody else changes, one waits for that transaction, and holds the row's place in the queue meanwhile:
// which table it is in is known by that. Who has just begun to wait has no moment yet.
const WAITS: &str = "
    SELECT COALESCE(pg_partition_root(o.relation), o.relation)::regclass::text,
           COALESCE(EXTRACT(epoch FROM clock_timestamp() - w.waitstart), 0)::float8,
           (pg_blocking_pids(w.pid))[1]
    FROM pg_locks AS w
    CROSS JOIN LATERAL (
        SELECT COALESCE(w.relation, (SELECT t.relation FROM pg_locks AS t
                                     WHERE t.pid = w.pid AND t.granted AND t.locktype = 'tuple' LIMIT 1))
    ) AS o (relation)
    WHERE NOT w.granted AND o.relation IS NOT NULL
      AND (w.database IS NULL OR w.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    LIMIT 100";

pub(super) async fn waits(cluster: &Arc<Cluster>) -> Result<Vec<SeenLock>, StoreError> {
    let connection = cluster.system();
    let rows = connection.sql(WAITS).fetch_all().await?;
    connection.commit().await?;
    let seen = rows.iter().map(seen).collect::<Result<_, _>>();
    Ok(seen.map_err(SqlError::from)?)
}

fn seen(row: &Row) -> Result<SeenLock, Error> {
    let waited: f64 = row.try_get(1)?;
    Ok(SeenLock {
        relation: row.try_get(0)?,
        waited: Duration::try_from_secs_f64(waited).unwrap_or_default(),
        holder: row.try_get(2)?,
    })
}
