//! By which names levels and counts are written down: other processes, of other versions, read them.

/// How many processors are busy with the process.
pub(crate) const PROCESSORS: &str = "process.processors";
pub(crate) const RESIDENT_BYTES: &str = "process.resident_bytes";
pub(crate) const OPEN_FILES: &str = "process.open_files";
pub(crate) const CACHE_REQUESTS: &str = "cache.requests";
pub(crate) const CACHE_HITS: &str = "cache.hits";
pub(crate) const CACHE_BYTES: &str = "cache.bytes";
/// Lent, of all pools of the process.
pub(crate) const CONNECTIONS: &str = "database.connections";
/// Of the whole database, on disk: by no process, but once an hour.
pub(crate) const DATABASE_BYTES: &str = "database.bytes";
/// Of bodies, and of what clients that stay were sent, both ways.
pub(crate) const BYTES_PER_SECOND: &str = "http.bytes_per_second";
/// WebSockets and event streams together, and each.
pub(crate) const CLIENTS: &str = "clients.open";
pub(crate) const SOCKETS: &str = "clients.sockets";
pub(crate) const STREAMS: &str = "clients.streams";
