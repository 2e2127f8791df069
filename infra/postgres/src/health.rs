//! Whether the database is there, and how busy its connections are: for readiness and for `fairlead doctor`.

use std::time::{Duration, Instant};

use fairlead_domain::store::StoreError;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::connection::Connection;
use crate::error::SqlError;
use crate::pool::Pool;
use crate::{PgStore, PgSystemStore};

/// One pool, asked just now.
#[derive(Debug)]
pub struct PoolHealth {
    /// `app` or `system`.
    pub name: &'static str,
    /// How long it took to get a connection and an answer over it, or why there was none.
    pub ping: Result<Duration, StoreError>,
    pub figures: PoolFigures,
}

/// The connections of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolFigures {
    /// Open now.
    pub size: u32,
    /// Of these, not in use.
    pub idle: usize,
    /// The most that may be open.
    pub max: u32,
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

/// Pings both pools, at the same time.
pub async fn ping(app: &PgStore, system: &PgSystemStore) -> [PoolHealth; 2] {
    let (app, system) = (app.cluster(), system.cluster());
    let ((as_app, app_time), (as_system, system_time)) =
        tokio::join!(timed(app.app()), timed(system.system()));
    [
        health(app.app_pool(), as_app, app_time),
        health(system.system_pool(), as_system, system_time),
    ]
}

/// Tells how busy the pools are, without asking the database.
pub fn figures(app: &PgStore, system: &PgSystemStore) -> [(&'static str, PoolFigures); 2] {
    [app.cluster().app_pool(), system.cluster().system_pool()].map(|pool| (pool.name, figures_of(pool)))
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
        name: pool.name,
        ping: opened.map(|_| took),
        figures: figures_of(pool),
    }
}

fn figures_of(pool: &Pool) -> PoolFigures {
    PoolFigures {
        size: pool.inner.size(),
        idle: pool.inner.num_idle(),
        max: pool.inner.options().get_max_connections(),
    }
}
