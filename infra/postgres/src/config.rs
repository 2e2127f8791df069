use std::fmt;
use std::time::Duration;

/// How to reach the database, and how much to ask of it.
#[derive(Clone)]
pub struct PgConfig {
    /// `postgres://…` as the role that runs requests.
    pub app_url: String,
    /// `postgres://…` as the role that runs what is cross-tenant.
    pub system_url: String,
    /// Connections of the role that runs requests.
    pub pool: PoolConfig,
    /// Connections of the role that runs what is cross-tenant: logins, refreshes, API key checks.
    pub system_pool: PoolConfig,
    /// The longest that one statement may run; the deadline of a request shortens it.
    pub statement_timeout: Duration,
    /// Statements that take longer are logged.
    pub slow_statement: Duration,
    /// How long an access token is good for: so long a revoked session is remembered.
    pub access_token_lifetime: Duration,
    /// Keys the hashes under which failed logins are counted. The same in every process of an installation.
    pub throttle_secret: [u8; 32],
}

/// How many connections are held, and for how long.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    pub min: u32,
    pub max: u32,
    /// How long a unit of work waits for a connection before it is refused.
    pub acquire_timeout: Duration,
    /// How long the start waits for a database that is not there yet.
    pub connect_timeout: Duration,
    /// Connections beyond `min` that were not used for so long are closed.
    pub idle_timeout: Duration,
    /// Connections are replaced at this age.
    pub max_lifetime: Duration,
}

/// Without the URLs, which hold passwords, and the secret.
impl fmt::Debug for PgConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgConfig")
            .field("pool", &self.pool)
            .field("system_pool", &self.system_pool)
            .field("statement_timeout", &self.statement_timeout)
            .field("slow_statement", &self.slow_statement)
            .field("access_token_lifetime", &self.access_token_lifetime)
            .finish_non_exhaustive()
    }
}
