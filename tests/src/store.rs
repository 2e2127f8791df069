use std::sync::Arc;
use std::time::Duration;

use fairlead::SystemIds;
use fairlead_postgres::{MemoryRevokedSessions, PgConfig, PgStore, PoolConfig};

use crate::TestClock;

/// The store as the server has it, on a pool of `connections`, for tests below HTTP.
pub async fn connect_store(url: String, connections: u32) -> PgStore {
    let config = store_config(url.clone(), url, connections);
    let revoked = Arc::new(MemoryRevokedSessions::default());
    let connected = PgStore::connect(
        &config,
        Arc::new(TestClock::default()),
        Arc::new(SystemIds),
        revoked,
    )
    .await;
    connected.expect("the role can connect")
}

/// How stores are opened below HTTP: patiently, on pools of `connections`.
pub fn store_config(app_url: String, system_url: String, connections: u32) -> PgConfig {
    let pool = PoolConfig {
        min: 0,
        max: connections,
        acquire_timeout: Duration::from_mins(1),
        connect_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_mins(10),
        max_lifetime: Duration::from_mins(10),
    };
    PgConfig {
        app_url,
        system_url,
        system_pool: pool.clone(),
        pool,
        statement_timeout: Duration::from_secs(30),
        slow_statement: Duration::from_secs(30),
        access_token_lifetime: Duration::from_mins(15),
        throttle_secret: [7; 32],
    }
}
