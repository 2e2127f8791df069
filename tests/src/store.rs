use std::sync::Arc;
use std::time::Duration;

use fairlead::SystemIds;
use fairlead_domain::jobs::Priorities;
use fairlead_postgres::{Cluster, MonitorConfig, PgConfig, PgStore, PoolConfig, StoreParts};

use crate::TestClock;

/// The store as the server has it, on a pool of `connections`, for tests below HTTP.
pub async fn connect_store(url: String, connections: u32) -> PgStore {
    let config = store_config(url.clone(), url, connections);
    let cluster = Cluster::connect(&config).await.expect("the role can connect");
    PgStore::new(cluster, store_parts())
}

/// What stores are made of below HTTP.
pub fn store_parts() -> StoreParts {
    StoreParts {
        clock: Arc::new(TestClock::default()),
        ids: Arc::new(SystemIds),
        revoked: Arc::default(),
        listeners: Vec::new(),
        priorities: Priorities::default(),
    }
}

/// How stores are opened below HTTP: patiently, on pools of `connections`.
pub fn store_config(app_url: String, system_url: String, connections: u32) -> PgConfig {
    let pool = PoolConfig {
        min: 0,
        max: connections,
        acquire_timeout: Duration::from_mins(1),
        create_timeout: Duration::from_secs(10),
        destroy_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_mins(10),
        max_lifetime: Duration::from_mins(10),
        max_uses: 5000,
    };
    PgConfig {
        app_url,
        system_url,
        replicas: Vec::new(),
        read_pool: pool.clone(),
        system_pool: pool.clone(),
        pool,
        reap_every: Duration::from_secs(1),
        patience: Duration::from_secs(10),
        retry_every: Duration::from_millis(200),
        monitor: MonitorConfig {
            interval: Duration::from_millis(100),
            timeout: Duration::from_secs(1),
            max_lag: Duration::from_secs(1),
            return_after: Duration::from_secs(5),
        },
        statement_timeout: Duration::from_secs(30),
        slow_statement: Duration::from_secs(30),
        throttle_secret: [7; 32],
    }
}
