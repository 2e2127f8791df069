/// What was measured in a period. All times are sums over it, in milliseconds. What is empty was not measured, or not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    pub routes: Vec<RouteTime>,
    pub queries: Vec<QueryUse>,
    pub locks: Vec<LockWait>,
    pub pools: Vec<PoolUse>,
    pub caches: Vec<CacheUse>,
    pub upstreams: Vec<UpstreamUse>,
    pub queues: Vec<QueueUse>,
    pub cpu: Option<CpuUse>,
    pub limits: Vec<LimitUse>,
}

/// Where the time of a route's requests went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteTime {
    pub route: String,
    pub requests: u64,
    pub total_ms: f64,
    /// Waiting to be begun,
    pub queue_ms: f64,
    /// waiting for a connection,
    pub pool_wait_ms: f64,
    /// waiting for answers of the database,
    pub sql_ms: f64,
    /// of the cache that processes share,
    pub shared_cache_ms: f64,
    /// and of services that are called. What is left of the total is computing.
    pub upstream_ms: f64,
}

impl RouteTime {
    /// The time for which nothing was waited for, but perhaps for a core.
    pub(super) fn compute_ms(&self) -> f64 {
        let waits = self.queue_ms + self.pool_wait_ms + self.sql_ms + self.shared_cache_ms + self.upstream_ms;
        (self.total_ms - waits).max(0.0)
    }
}

/// What one statement took for one route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryUse {
    pub fingerprint: String,
    pub route: String,
    pub pool: String,
    pub calls: u64,
    /// With what it waited for locks.
    pub total_ms: f64,
    /// How many rows were looked at; `None`: not known.
    pub rows_read: Option<u64>,
    pub rows_returned: u64,
}

/// How long a statement waited for a lock, for one route. It is part of that statement's time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LockWait {
    pub relation: String,
    pub fingerprint: String,
    pub route: String,
    pub wait_ms: f64,
    /// The process of the server that held it most; `None`: not known.
    pub holder: Option<i32>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PoolUse {
    pub name: String,
    pub connections: u32,
    /// For how long connections were lent, all together.
    pub lent_ms: f64,
    /// For how long others waited for one, all together.
    pub wait_ms: f64,
}

/// How often an answer of a route that may be kept was there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CacheUse {
    pub route: String,
    pub lookups: u64,
    pub hits: u64,
}

/// What one service took for one route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpstreamUse {
    pub name: String,
    pub route: String,
    pub calls: u64,
    pub total_ms: f64,
    pub failures: u64,
}

/// How a queue of jobs fared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueUse {
    pub name: String,
    /// How many wait now, and the first of them for how long.
    pub waiting: u64,
    pub oldest_wait_ms: f64,
    /// How many went in the period,
    pub finished: u64,
    /// and what those that went have taken.
    pub work_ms: f64,
}

/// How many cores are busy, of how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuUse {
    pub cores: f64,
    pub busy: f64,
}

/// How much of something is used.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitUse {
    pub resource: Resource,
    pub name: String,
    pub used: f64,
    pub limit: f64,
}

/// What there is only so much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    Cpu,
    Memory,
    Storage,
    /// Bytes a second.
    Bandwidth,
    DatabaseConnections,
    CacheMemory,
    Sockets,
    Queue,
}

impl Resource {
    /// The limit that holds where no other is configured or measured: a hundred connections, 10 GB of Redis, 5,000 sockets.
    pub fn known_limit(self) -> Option<f64> {
        match self {
            Self::DatabaseConnections => Some(100.0),
            Self::CacheMemory => Some(10.0 * 1_073_741_824.0),
            Self::Sockets => Some(5_000.0),
            Self::Cpu | Self::Memory | Self::Storage | Self::Bandwidth | Self::Queue => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Storage => "storage",
            Self::Bandwidth => "bandwidth",
            Self::DatabaseConnections => "database-connections",
            Self::CacheMemory => "cache-memory",
            Self::Sockets => "sockets",
            Self::Queue => "queue",
        }
    }
}
