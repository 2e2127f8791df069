use std::collections::BTreeMap;
use std::time::Duration;

use fairlead_domain::cache::{Namespace, Policy};

/// How the cache behaves. Every value has a default that fits a small installation.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    pub memory: MemorySettings,
    /// The level that processes share; without it each process keeps its own answers alone.
    pub shared: Option<SharedSettings>,
    /// Policies that differ from the namespace's own.
    pub policies: BTreeMap<Namespace, Policy>,
    pub outage: OutageSettings,
    /// How long a load may take, whoever waits for it. Default: 10 s.
    pub load_limit: Duration,
    /// How much older than what it has seen may be what a read of the primary says that it has seen. Default: 5 s.
    pub sight_lag: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            memory: MemorySettings::default(),
            shared: None,
            policies: BTreeMap::new(),
            outage: OutageSettings::default(),
            load_limit: Duration::from_secs(10),
            sight_lag: Duration::from_secs(5),
        }
    }
}

impl CacheSettings {
    /// Returns how answers of `namespace` are kept.
    pub fn policy(&self, namespace: Namespace) -> Policy {
        self.policies
            .get(&namespace)
            .copied()
            .unwrap_or_else(|| namespace.strategy().into())
    }
}

/// What a process keeps in its own memory.
#[derive(Clone, Debug)]
pub struct MemorySettings {
    /// Bytes that answers may take altogether. Default: 64 MiB.
    pub capacity_bytes: u64,
    /// Bytes of each tenant that no other tenant can push out. Half of the capacity is set aside for these; the more
    /// tenants there are, the less of it each may take, and who finds nothing left competes for the other half.
    /// Default: 1 MiB.
    pub tenant_bytes: u64,
    /// Answers larger than this are not kept in memory. Default: 2 MiB.
    pub largest_bytes: usize,
    /// Which answers go first when memory is full. Default: by frequency.
    pub eviction: Eviction,
    /// Bodies from this size on are also kept compressed, once somebody has asked for that. Default: 1 KiB.
    pub compressed_from: usize,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self {
            capacity_bytes: 64 << 20,
            tenant_bytes: 1 << 20,
            largest_bytes: 2 << 20,
            eviction: Eviction::Frequency,
            compressed_from: 1 << 10,
        }
    }
}

/// Which answers go first when memory is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Eviction {
    /// Those that were seldom asked for, as `TinyLFU` counts: a scan pushes nothing out.
    #[default]
    Frequency,
    /// Those not asked for the longest.
    Recency,
}

/// What serves while something is away.
#[derive(Clone, Copy, Debug)]
pub struct OutageSettings {
    /// How long an answer counts as fresh while this process does not hear of the others' changes. Default: 2 s.
    pub unheard_ttl: Duration,
    /// How long after its time an answer still serves while the primary database is away. Default: 1 h.
    pub database_away: Duration,
}

impl Default for OutageSettings {
    fn default() -> Self {
        Self {
            unheard_ttl: Duration::from_secs(2),
            database_away: Duration::from_hours(1),
        }
    }
}

/// How the shared level is reached.
#[derive(Clone, Debug)]
pub struct SharedSettings {
    /// The Redis server: `redis://[:password@]host:port[/database]`, or `rediss://` with TLS.
    pub url: String,
    /// Certificates, as PEM: a server at `rediss://` is believed to be ours if one of these has signed its own. `None`:
    /// those that browsers trust.
    pub authorities: Option<String>,
    /// What all keys and channels begin with, so that installations can share a server. Default: `fl`.
    pub prefix: String,
    /// Connections to the server; each carries many commands at once. Default: 4.
    pub connections: usize,
    /// How long a command may take. Default: 50 ms.
    pub command_timeout: Duration,
    /// How long one process may load an answer before others do so, too. Default: 2 s.
    pub lease: Duration,
    /// How long others wait for the answer of the process that loads it. Default: 100 ms.
    pub lease_wait: Duration,
    /// How long a process may be silent until what it may have changed untold is dropped. Default: 10 s.
    pub missed_after: Duration,
    /// zstd level of what lies in the shared level, 1 to 19. Default: 3.
    pub compression_level: i32,
    /// 32 bytes that encrypt namespaces whose policy asks for it.
    pub encryption_key: Option<EncryptionKey>,
}

impl SharedSettings {
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            authorities: None,
            prefix: "fl".to_owned(),
            connections: 4,
            command_timeout: Duration::from_millis(50),
            lease: Duration::from_secs(2),
            lease_wait: Duration::from_millis(100),
            missed_after: Duration::from_secs(10),
            compression_level: 3,
            encryption_key: None,
        }
    }
}

/// A key of AES-256; it does not print.
#[derive(Clone)]
pub struct EncryptionKey(pub(crate) [u8; 32]);

impl EncryptionKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EncryptionKey(…)")
    }
}
