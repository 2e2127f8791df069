//! Whether the database is there, and which it is: for `fairlead doctor`.

use std::time::{Duration, Instant};

use fairlead_domain::store::StoreError;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::connection::Connection;
use crate::error::SqlError;
use crate::pool::{Pool, PoolName};
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

/// Asks the primary over both pools, at the same time.
pub async fn ping(cluster: &Cluster) -> [PoolHealth; 2] {
    let ((as_app, app_time), (as_system, system_time)) =
        tokio::join!(timed(Box::pin(cluster.app())), timed(Box::pin(cluster.system())));
    [
        health(cluster.app_pool(), as_app, app_time),
        health(cluster.system_pool(), as_system, system_time),
    ]
}

/// Asks the server for its version and extensions.
pub async fn server(system: &PgSystemStore) -> Result<Server, StoreError> {
    let connection = system.cluster().system().await?;
    let row = connection.sql(VERSION).fetch_one().await?;
    let extensions = connection.sql(EXTENSIONS).fetch_all().await?;
    let extension = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
    Ok(Server {
        version: row.try_get(0).map_err(SqlError::from)?,
        version_number: row.try_get(1).map_err(SqlError::from)?,
        extensions: extensions
            .iter()
            .map(extension)
            .collect::<sqlx::Result<_>>()
            .map_err(SqlError::from)?,
    })
}

/// Its BEGIN is a round trip to the server; dropping it ends the transaction in the background.
async fn timed(
    opening: impl Future<Output = Result<Connection, StoreError>>,
) -> (Result<Connection, StoreError>, Duration) {
    let started = Instant::now();
    (opening.await, started.elapsed())
}

fn health(pool: &Pool, opened: Result<Connection, StoreError>, took: Duration) -> PoolHealth {
    PoolHealth {
        name: pool.name.clone(),
        ping: opened.map(|_| took),
    }
}
