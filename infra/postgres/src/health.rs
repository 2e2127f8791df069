//! Whether the database is there, and how busy its connections are: for readiness and for `fairlead doctor`.

use std::time::{Duration, Instant};

use fairlead_domain::store::StoreError;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::connection::{Connection, Reach};
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
    let (app, system) = tokio::join!(ping_pool(app.pool()), ping_pool(system.pool()));
    [app, system]
}

/// Tells how busy the pools are, without asking the database.
pub fn figures(app: &PgStore, system: &PgSystemStore) -> [(&'static str, PoolFigures); 2] {
    [app.pool(), system.pool()].map(|pool| (pool.name, figures_of(pool)))
}

/// Asks the server for its version and extensions.
pub async fn server(system: &PgSystemStore) -> Result<Server, StoreError> {
    let connection = Connection::open(system.pool(), Reach::System).await?;
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

async fn ping_pool(pool: &Pool) -> PoolHealth {
    let started = Instant::now();
    // Its BEGIN is a round trip to the server; dropping it ends the transaction in the background.
    let opened = Connection::open(pool, Reach::System).await;
    let ping = opened.map(|_| started.elapsed());
    PoolHealth {
        name: pool.name,
        ping,
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
