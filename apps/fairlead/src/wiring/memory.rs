use async_trait::async_trait;
use fairlead_api::{MemoryKeeper, ReleasedMemory};
use fairlead_cache::TieredCache;
use fairlead_telemetry::process;

/// Gives back what this process holds for nothing.
#[derive(Debug)]
pub(super) struct ProcessMemory {
    pub(super) cache: Option<TieredCache>,
}

#[async_trait]
impl MemoryKeeper for ProcessMemory {
    async fn release(&self) -> ReleasedMemory {
        let resident_before_bytes = process::usage().resident_bytes;
        let dropped = match self.cache.clone() {
            // It looks at every answer.
            Some(cache) => fairlead_telemetry::spawn_blocking(move || cache.shrink())
                .await
                .ok(),
            None => None,
        };
        ReleasedMemory {
            resident_before_bytes,
            resident_after_bytes: process::usage().resident_bytes,
            dropped_answers: dropped.map(|dropped| dropped.answers),
            dropped_bytes: dropped.map(|dropped| dropped.bytes),
            purged_bytes: None,
        }
    }
}
