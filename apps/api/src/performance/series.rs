//! By which names levels and counts are written down: other processes, of other versions, read them.

/// How many processors are busy with the process.
pub(crate) const PROCESSORS: &str = "process.processors";
pub(crate) const RESIDENT_BYTES: &str = "process.resident_bytes";
pub(crate) const OPEN_FILES: &str = "process.open_files";
pub(crate) const CACHE_REQUESTS: &str = "cache.requests";
pub(crate) const CACHE_HITS: &str = "cache.hits";
pub(crate) const CACHE_BYTES: &str = "cache.bytes";
/// Answers that were put into memory, and those that left it to make room for them.
pub(crate) const CACHE_KEPT: &str = "cache.kept";
pub(crate) const CACHE_EVICTED: &str = "cache.evicted";
/// Lent, of all pools of the process.
pub(crate) const CONNECTIONS: &str = "database.connections";
/// Of the whole database, on disk: by no process, but once an hour.
pub(crate) const DATABASE_BYTES: &str = "database.bytes";
/// Of a table with its indexes, once an hour, with the table's name behind it.
pub(crate) const TABLE_BYTES: &str = "table.bytes.";
/// Of bodies, and of what clients that stay were sent, both ways.
pub(crate) const BYTES_PER_SECOND: &str = "http.bytes_per_second";
/// WebSockets and event streams together, and each.
pub(crate) const CLIENTS: &str = "clients.open";
pub(crate) const SOCKETS: &str = "clients.sockets";
pub(crate) const STREAMS: &str = "clients.streams";
/// That came from clients that stay, and events that they were sent.
pub(crate) const MESSAGES_PER_MINUTE: &str = "clients.messages_per_minute";
/// How much is used of what there is, as a part of it: of processors, of the memory that it has and could have, of the
/// connections of the pool of which most is lent, and of the most that is used of the disk and of places for clients.
pub(crate) const CPU_SHARE: &str = "process.cpu_share";
pub(crate) const MEMORY_SHARE: &str = "process.memory_share";
pub(crate) const POOL_SHARE: &str = "database.pool_share";
pub(crate) const CAPACITY_SHARE: &str = "process.capacity_share";
/// Services that are not called because their circuit breaker is open.
pub(crate) const BREAKERS_OPEN: &str = "upstreams.open";
