use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_api::{AllocatorUsage, MemoryKeeper, Release, ReleasedMemory};
use fairlead_cache::TieredCache;
use fairlead_postgres::{Cluster, Spare};
use fairlead_telemetry::process;
use tokio::time::sleep;

/// By then what is begun at the start, besides what serves, has been done for the first time.
const START_TAKES: Duration = Duration::from_secs(5);

/// Gives back what the start alone needed. The allocator would, too, but parts of it only when it is called again, which
/// in a process that has nothing to do may be long.
pub(super) async fn settle() {
    sleep(START_TAKES).await;
    // It looks at all that is free.
    if let Ok(Some(bytes)) = fairlead_telemetry::spawn_blocking(purge).await {
        tracing::debug!(bytes, "what the start needed is given back");
    }
}

/// Gives back what this process holds for nothing.
#[derive(Debug)]
pub(super) struct ProcessMemory {
    pub(super) cache: Option<TieredCache>,
    pub(super) cluster: Arc<Cluster>,
}

#[async_trait]
impl MemoryKeeper for ProcessMemory {
    async fn release(&self, what: Release) -> ReleasedMemory {
        let resident_before_bytes = process::usage().resident_bytes;
        let closed_connections = match what {
            Release::Stale | Release::Caches => 0,
            Release::Connections => self.cluster.close_idle(Spare::BeyondMinimum),
            Release::Everything => self.cluster.close_idle(Spare::All),
        };
        let cache = self.cache.clone();
        // It looks at every answer, and the allocator at all that is free.
        let released = fairlead_telemetry::spawn_blocking(move || {
            let dropped = cache.map(|cache| match what {
                Release::Stale => cache.shrink(),
                Release::Caches | Release::Connections | Release::Everything => cache.empty_memory(),
            });
            (dropped, purge())
        });
        let (dropped, purged_bytes) = released.await.unwrap_or_default();
        ReleasedMemory {
            resident_before_bytes,
            resident_after_bytes: process::usage().resident_bytes,
            dropped_answers: dropped.map(|dropped| dropped.answers),
            dropped_bytes: dropped.map(|dropped| dropped.bytes),
            closed_connections,
            purged_bytes,
        }
    }

    fn allocator(&self) -> Option<AllocatorUsage> {
        allocator()
    }
}

#[cfg(feature = "jemalloc")]
fn allocator() -> Option<AllocatorUsage> {
    use tikv_jemalloc_ctl::{epoch, stats};

    // Statistics are those of the last epoch.
    epoch::advance().ok()?;
    Some(AllocatorUsage {
        allocated_bytes: stats::allocated::read().ok()? as u64,
        active_bytes: stats::active::read().ok()? as u64,
        resident_bytes: stats::resident::read().ok()? as u64,
        mapped_bytes: stats::mapped::read().ok()? as u64,
        retained_bytes: stats::retained::read().ok()? as u64,
    })
}

#[cfg(not(feature = "jemalloc"))]
fn allocator() -> Option<AllocatorUsage> {
    None
}

/// Has the allocator give back what is free, and returns how much less is resident; `None`: it cannot be asked.
#[cfg(feature = "jemalloc")]
fn purge() -> Option<u64> {
    use tikv_jemalloc_ctl::{Access, AsName as _, arenas};

    let before = process::usage().resident_bytes?;
    for arena in 0..arenas::narenas::read().ok()? {
        for pages in ["dirty", "muzzy"] {
            // After no time at all every page is old enough to go, and goes (jemalloc(3), `arena.<i>.dirty_decay_ms`).
            let decay = format!("arena.{arena}.{pages}_decay_ms\0");
            let decay = decay.name();
            let usual: Result<isize, _> = decay.update(0);
            // An arena that nobody has used yet has none.
            if let Ok(milliseconds) = usual {
                decay.write(milliseconds).ok()?;
            }
        }
    }
    Some(before.saturating_sub(process::usage().resident_bytes?))
}

#[cfg(not(feature = "jemalloc"))]
fn purge() -> Option<u64> {
    None
}

#[cfg(all(test, feature = "jemalloc"))]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

    #[test]
    fn what_was_freed_goes_back_to_the_system_at_once() {
        const PIECES: u64 = 1_024;
        const PIECE_BYTES: usize = 64 << 10;
        let pieces: Vec<Vec<u8>> = (0..PIECES).map(|_| vec![1; PIECE_BYTES]).collect();
        drop(pieces);

        let purged = purge().unwrap();

        assert!(purged > PIECES * PIECE_BYTES as u64 / 2, "{purged} bytes");
    }

    #[test]
    fn what_is_held_is_allocated() {
        const BYTES: usize = 64 << 20;
        let before = allocator().unwrap();
        let held = vec![1_u8; BYTES];

        let now = allocator().unwrap();

        // The other test frees as much meanwhile, unless each has a process of its own.
        let more = now.allocated_bytes.saturating_sub(before.allocated_bytes);
        assert!(
            more >= BYTES as u64,
            "{before:?}, {now:?} while {} bytes are held",
            held.len()
        );
        assert!(now.allocated_bytes <= now.active_bytes && now.active_bytes <= now.mapped_bytes);
    }
}
