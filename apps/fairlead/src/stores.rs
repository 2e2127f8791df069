//! The stores of the domain on PostgreSQL, as the configuration sizes them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fairlead_domain::clock::{Clock, Ids};
use fairlead_postgres::{
    Cluster, MemoryRevokedSessions, PgConfig, PgStore, PgSystemStore, PoolConfig, StoreParts,
};

use crate::config::{Config, DatabaseUrls, Secret};
use crate::database::Database;
use crate::derived_key;

/// Both stores, and what they share.
#[derive(Debug)]
pub(crate) struct Stores {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) store: Arc<PgStore>,
    pub(crate) system: Arc<PgSystemStore>,
    pub(crate) revoked: Arc<MemoryRevokedSessions>,
}

impl Stores {
    pub(crate) async fn connect(
        config: &PgConfig,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> anyhow::Result<Self> {
        let cluster = Cluster::connect(config)
            .await
            .context("cannot connect to the database")?;
        let parts = StoreParts {
            clock,
            ids,
            revoked: Arc::default(),
            listeners: Vec::new(),
        };
        let revoked = Arc::clone(&parts.revoked);
        Ok(Self {
            store: Arc::new(PgStore::new(Arc::clone(&cluster), config, parts.clone())),
            system: Arc::new(PgSystemStore::new(Arc::clone(&cluster), config, parts)),
            cluster,
            revoked,
        })
    }

    /// Closes all connections; those of a server that does not answer are left to end with the process.
    pub(crate) async fn close(&self) {
        if tokio::time::timeout(CLOSE_LIMIT, self.cluster.close())
            .await
            .is_err()
        {
            tracing::warn!("the database does not let its connections go; leaving them");
        }
    }
}

const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// The most connections that a server opens to the embedded database, which takes a hundred from everybody: the rest is
/// for commands beside it.
const EMBEDDED_APP_MAX: u32 = 60;
const EMBEDDED_SYSTEM_MAX: u32 = 20;

/// Returns the settings of a server's stores.
pub(crate) fn server_config(config: &Config, database: &Database, secret: &Secret) -> PgConfig {
    let urls = database.urls();
    let mut settings = configured(config, urls, secret);
    let (app, system) = most_connections(config, database);
    for (pool, most) in [(&mut settings.pool, app), (&mut settings.system_pool, system)] {
        if pool.max > most {
            tracing::warn!(
                configured = pool.max,
                used = most,
                "the embedded database takes fewer connections"
            );
        }
        (pool.min, pool.max) = (pool.min.min(most), most);
    }
    settings
}

/// Returns how many connections a server opens at the most as each role: `fairlead_app`, `fairlead_system`.
pub(crate) fn most_connections(config: &Config, database: &Database) -> (u32, u32) {
    let (app, system) = (config.database.pool.max, config.database.system_pool.max);
    if database.is_embedded() {
        (app.min(EMBEDDED_APP_MAX), system.min(EMBEDDED_SYSTEM_MAX))
    } else {
        (app, system)
    }
}

fn configured(config: &Config, urls: &DatabaseUrls, secret: &Secret) -> PgConfig {
    let pool = &config.database.pool;
    let sized = |min: u32, max: u32| PoolConfig {
        min,
        max,
        acquire_timeout: pool.acquire_timeout,
        connect_timeout: pool.connect_timeout,
        idle_timeout: pool.idle_timeout,
        max_lifetime: pool.max_lifetime,
    };
    PgConfig {
        app_url: urls.app.expose().to_owned(),
        system_url: urls.system.expose().to_owned(),
        pool: sized(pool.min, pool.max),
        system_pool: sized(config.database.system_pool.min, config.database.system_pool.max),
        statement_timeout: config.database.statement_timeout,
        slow_statement: config.database.slow_query,
        access_token_lifetime: config.auth.access_ttl.unsigned_abs(),
        throttle_secret: derived_key::derive(secret, "login-throttle"),
    }
}

/// Returns the settings of a command's stores: a few connections, and time for statements over many rows.
pub(crate) fn command_config(config: &Config, urls: &DatabaseUrls, secret: &Secret) -> PgConfig {
    let mut settings = configured(config, urls, secret);
    for pool in [&mut settings.pool, &mut settings.system_pool] {
        (pool.min, pool.max) = (0, 4);
    }
    settings.statement_timeout = Duration::from_mins(10);
    settings.slow_statement = Duration::from_mins(10);
    settings
}
