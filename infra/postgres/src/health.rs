//! Whether the database is there, and which it is: for `fairlead doctor`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::wire::Row;
use fairlead_domain::store::StoreError;

use crate::connection::Connection;
use crate::error::SqlError;
use crate::pool::PoolName;
use crate::{Cluster, PgSystemStore};

/// One pool, asked just now.
#[derive(Debug)]
pub struct PoolHealth {
    pub name: PoolName,
    /// How long it took to get a connection and an answer over it, or why there was none.
    pub ping: Result<Duration, StoreError>,
}

/// The server that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// As it names itself: `15.8 (Debian 15.8-1)`.
    pub version: String,
    /// `150008` for 15.8.
    pub version_number: i32,
    /// Installed in this database, with their versions, by name.
    pub extensions: Vec<(String, String)>,
}

const VERSION: &str = "SELECT current_setting('server_version'), current_setting('server_version_num')::int";
const EXTENSIONS: &str = "SELECT extname::text, extversion FROM pg_extension ORDER BY extname";

/// Whether the log of events has places that the server has not come to: it was filled from a dump, and counts
/// transactions anew. Then what is recorded stands before all readers, and nobody is told of it.
const LOG_IS_AHEAD: &str = "
    SELECT EXISTS (SELECT FROM event_readers WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()))
        OR COALESCE((SELECT GREATEST(xid, xid) FROM events ORDER BY GREATEST(xid, xid) DESC, position DESC LIMIT 1)
                    >= pg_snapshot_xmax(pg_current_snapshot()), FALSE)
        OR EXISTS (SELECT FROM events_dropped WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()))";

/// Asks the primary over both pools, at the same time.
pub async fn ping(cluster: &Arc<Cluster>) -> [PoolHealth; 2] {
    let (app, system) = tokio::join!(answer_time(cluster.app()), answer_time(cluster.system()));
    [
        PoolHealth {
            name: cluster.app_pool().name().clone(),
            ping: app,
        },
        PoolHealth {
            name: cluster.system_pool().name().clone(),
            ping: system,
        },
    ]
}

/// Asks whether the log of events is of another server, which had come further.
pub async fn is_log_ahead(system: &PgSystemStore) -> Result<bool, StoreError> {
    let connection = system.cluster().system();
    let row = connection.sql(LOG_IS_AHEAD).fetch_one().await?;
    connection.commit().await?;
    Ok(row.try_get(0).map_err(SqlError::from)?)
}

/// Asks the server for its version and extensions.
pub async fn server(system: &PgSystemStore) -> Result<Server, StoreError> {
    let connection = system.cluster().system();
    let row = connection.sql(VERSION).fetch_one().await?;
    let extensions = connection.sql(EXTENSIONS).fetch_all().await?;
    let extension = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
    Ok(Server {
        version: row.try_get(0).map_err(SqlError::from)?,
        version_number: row.try_get(1).map_err(SqlError::from)?,
        extensions: extensions
            .iter()
            .map(extension)
            .collect::<Result<_, crate::wire::Error>>()
            .map_err(SqlError::from)?,
    })
}

async fn answer_time(connection: Connection) -> Result<Duration, StoreError> {
    let started = Instant::now();
    connection.sql("SELECT").execute().await?;
    Ok(started.elapsed())
}
