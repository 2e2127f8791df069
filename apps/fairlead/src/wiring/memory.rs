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
        let cache = self.cache.clone();
        // It looks at every answer, and the allocator at all that is free.
        let released = fairlead_telemetry::spawn_blocking(move || {
            let dropped = cache.map(|cache| cache.shrink());
            (dropped, purge())
        });
        let (dropped, purged_bytes) = released.await.unwrap_or_default();
        ReleasedMemory {
            resident_before_bytes,
            resident_after_bytes: process::usage().resident_bytes,
            dropped_answers: dropped.map(|dropped| dropped.answers),
            dropped_bytes: dropped.map(|dropped| dropped.bytes),
            purged_bytes,
        }
    }
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
}
