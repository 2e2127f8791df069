//! By which names levels and counts are written down: other processes, of other versions, read them.

/// How many processors are busy with the process.
pub(crate) const PROCESSORS: &str = "process.processors";
pub(crate) const RESIDENT_BYTES: &str = "process.resident_bytes";
pub(crate) const OPEN_FILES: &str = "process.open_files";
pub(crate) const CACHE_REQUESTS: &str = "cache.requests";
pub(crate) const CACHE_HITS: &str = "cache.hits";
pub(crate) const CACHE_BYTES: &str = "cache.bytes";
/// WebSockets and event streams.
pub(crate) const SOCKETS: &str = "clients.sockets";
pub(crate) const STREAMS: &str = "clients.streams";
