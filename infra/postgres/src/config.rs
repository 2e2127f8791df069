use std::fmt;
use std::time::Duration;

/// How to reach the database, and how much to ask of it.
#[derive(Clone)]
pub struct PgConfig {
    /// `postgres://…` as the role that runs requests.
    pub app_url: String,
    /// `postgres://…` as the role that runs what is cross-tenant.
    pub system_url: String,
    /// Servers that follow the primary, for reads.
    pub replicas: Vec<ReplicaConfig>,
    /// Connections of the role that runs requests, to the primary.
    pub pool: PoolConfig,
    /// The same, to each replica.
    pub read_pool: PoolConfig,
    /// Connections of the role that runs what is cross-tenant: logins, refreshes, API key checks.
    pub system_pool: PoolConfig,
    /// How often all pools are brought to the size they should have.
    pub reap_every: Duration,
    /// How long the start waits for a database that is not there yet.
    pub patience: Duration,
    /// How long it waits between two tries.
    pub retry_every: Duration,
    pub monitor: MonitorConfig,
    /// The longest that one statement may run; the deadline of a request shortens it.
    pub statement_timeout: Duration,
    /// Statements that take longer are logged.
    pub slow_statement: Duration,
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
    /// How long opening a connection may take.
    pub create_timeout: Duration,
    /// How long it may take to have the server give up a statement that nobody waits for, before its connection is closed.
    pub destroy_timeout: Duration,
    /// Connections beyond `min` that were not used for so long are closed.
    pub idle_timeout: Duration,
    /// Connections are replaced at this age.
    pub max_lifetime: Duration,
    /// Connections are replaced after so many uses.
    pub max_uses: u64,
}

/// A server that follows the primary.
#[derive(Clone)]
pub struct ReplicaConfig {
    /// How reports and answers call it.
    pub name: String,
    /// `postgres://…` as the role that runs requests.
    pub url: String,
    /// Kept for statistics and exports.
    pub is_analytics: bool,
}

/// How the nodes are watched.
#[derive(Clone, Debug)]
pub struct MonitorConfig {
    /// Between two looks at a node.
    pub interval: Duration,
    /// A node that takes longer to answer is out of reach.
    pub timeout: Duration,
    /// A replica that is further behind gets no reads.
    pub max_lag: Duration,
    /// A replica that has left gets reads again once it has been well for so long.
    pub return_after: Duration,
}

impl fmt::Debug for ReplicaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicaConfig")
            .field("name", &self.name)
            .field("is_analytics", &self.is_analytics)
            .finish_non_exhaustive()
    }
}

/// Without the URLs, which hold passwords, and the secret.
impl fmt::Debug for PgConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgConfig")
            .field("replicas", &self.replicas)
            .field("pool", &self.pool)
            .field("read_pool", &self.read_pool)
            .field("system_pool", &self.system_pool)
            .field("reap_every", &self.reap_every)
            .field("patience", &self.patience)
            .field("retry_every", &self.retry_every)
            .field("monitor", &self.monitor)
            .field("statement_timeout", &self.statement_timeout)
            .field("slow_statement", &self.slow_statement)
            .finish_non_exhaustive()
    }
}
