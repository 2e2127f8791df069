//! The stores of the domain on PostgreSQL, as the configuration sizes them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use fairlead_domain::clock::{Clock, Ids};
use fairlead_domain::jobs::Priorities;
use fairlead_domain::store::CommitListener;
use fairlead_postgres::{
    Cluster, MemoryRevokedSessions, MonitorConfig, PgConfig, PgStore, PgSystemStore, PoolConfig,
    ReplicaConfig, StoreParts,
};

use crate::config::{self, Config, DatabaseUrls, Secret};
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
    /// Connects; `listeners` are told of every commit, in their order.
    pub(crate) async fn connect(
        config: &PgConfig,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        listeners: Vec<Arc<dyn CommitListener>>,
        priorities: Priorities,
    ) -> anyhow::Result<Self> {
        let cluster = Cluster::connect(config)
            .await
            .context("cannot connect to the database")?;
        let parts = StoreParts {
            clock,
            ids,
            revoked: Arc::default(),
            listeners,
            priorities,
        };
        let revoked = Arc::clone(&parts.revoked);
        Ok(Self {
            store: Arc::new(PgStore::new(Arc::clone(&cluster), parts.clone())),
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

/// Returns how many connections a server opens to the primary at the most as each role: `fairlead_app`,
/// `fairlead_system`.
pub(crate) fn most_connections(config: &Config, database: &Database) -> (u32, u32) {
    let (app, system) = (config.database.pool.max, config.database.system_pool.max);
    if database.is_embedded() {
        (app.min(EMBEDDED_APP_MAX), system.min(EMBEDDED_SYSTEM_MAX))
    } else {
        (app, system)
    }
}

fn configured(config: &Config, urls: &DatabaseUrls, secret: &Secret) -> PgConfig {
    let database = &config.database;
    let (pool, read_pool, monitor) = (&database.pool, &database.read_pool, &database.monitor);
    let app_pool = PoolConfig {
        min: pool.min,
        max: pool.max,
        acquire_timeout: pool.acquire_timeout,
        create_timeout: pool.create_timeout,
        destroy_timeout: pool.destroy_timeout,
        idle_timeout: pool.idle_timeout,
        max_lifetime: pool.max_lifetime,
        max_uses: pool.max_uses,
    };
    let replica = |replica: &config::ReplicaConfig| ReplicaConfig {
        name: replica.name.clone(),
        url: replica.url.expose().to_owned(),
        is_analytics: replica.analytics,
    };
    PgConfig {
        app_url: urls.app.expose().to_owned(),
        system_url: urls.system.expose().to_owned(),
        replicas: database.replicas.iter().map(replica).collect(),
        system_pool: system_pool(&app_pool, &database.system_pool),
        read_pool: PoolConfig {
            min: read_pool.min,
            max: read_pool.max,
            acquire_timeout: read_pool.acquire_timeout,
            create_timeout: read_pool.create_timeout,
            destroy_timeout: pool.destroy_timeout,
            idle_timeout: read_pool.idle_timeout,
            max_lifetime: read_pool.max_lifetime,
            max_uses: read_pool.max_uses,
        },
        pool: app_pool,
        reap_every: pool.reap_interval,
        patience: pool.connect_timeout,
        retry_every: pool.create_retry_interval,
        monitor: MonitorConfig {
            interval: monitor.interval,
            timeout: monitor.timeout,
            max_lag: monitor.max_lag,
            return_after: monitor.return_after,
        },
        statement_timeout: database.statement_timeout,
        slow_statement: database.slow_query,
        throttle_secret: derived_key::derive(secret, "login-throttle"),
    }
}

/// What the second pool does not say is as in the first.
fn system_pool(app: &PoolConfig, system: &config::SystemPoolConfig) -> PoolConfig {
    let or = |millis: Option<u64>, app: Duration| millis.map_or(app, Duration::from_millis);
    PoolConfig {
        min: system.min,
        max: system.max,
        acquire_timeout: or(system.acquire_timeout_ms, app.acquire_timeout),
        create_timeout: or(system.create_timeout_ms, app.create_timeout),
        destroy_timeout: app.destroy_timeout,
        idle_timeout: or(system.idle_timeout_ms, app.idle_timeout),
        max_lifetime: or(system.max_lifetime_ms, app.max_lifetime),
        max_uses: system.max_uses.unwrap_or(app.max_uses),
    }
}

/// Returns the settings of a command's stores: a few connections, and time for statements over many rows.
pub(crate) fn command_config(config: &Config, urls: &DatabaseUrls, secret: &Secret) -> PgConfig {
    let mut settings = configured(config, urls, secret);
    for pool in [
        &mut settings.pool,
        &mut settings.read_pool,
        &mut settings.system_pool,
    ] {
        (pool.min, pool.max) = (0, 4);
    }
    settings.statement_timeout = Duration::from_mins(10);
    settings.slow_statement = Duration::from_mins(10);
    settings
}
