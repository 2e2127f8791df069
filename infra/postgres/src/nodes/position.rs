//! A position of the log that one task writes and every task reads, without a lock.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use fairlead_domain::consistency::LogPosition;

/// Starts at [`LogPosition::UNKNOWN`]. One writer at a time.
#[derive(Debug, Default)]
pub(super) struct AtomicPosition {
    timeline: AtomicU32,
    lsn: AtomicU64,
}

impl AtomicPosition {
    /// Invariant: no reader pairs the bytes of one timeline with the number of another. So a change of timeline goes
    /// through 0, which covers nothing.
    pub(super) fn store(&self, position: LogPosition) {
        if self.timeline.load(Ordering::Relaxed) != position.timeline {
            self.lsn.store(0, Ordering::Release);
            self.timeline.store(position.timeline, Ordering::Release);
        }
        self.lsn.store(position.lsn, Ordering::Release);
    }

    pub(super) fn load(&self) -> LogPosition {
        let timeline = self.timeline.load(Ordering::Acquire);
        let lsn = self.lsn.load(Ordering::Acquire);
        // Bytes of a newer timeline become visible after its number only; then the number differs now.
        if self.timeline.load(Ordering::Acquire) == timeline {
            LogPosition::new(timeline, lsn)
        } else {
            LogPosition::UNKNOWN
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    #[test]
    fn bytes_and_timeline_are_never_mixed_up() {
        let position = Arc::new(AtomicPosition::default());
        let done = Arc::new(AtomicBool::new(false));
        let reader = {
            let (position, done) = (Arc::clone(&position), Arc::clone(&done));
            thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let seen = position.load();
                    // Each timeline has its own bytes below.
                    assert!(
                        seen.lsn == 0 || seen.lsn == u64::from(seen.timeline) * 7,
                        "{seen}"
                    );
                }
            })
        };

        for timeline in 1..200_000 {
            position.store(LogPosition::new(timeline, u64::from(timeline) * 7));
        }
        done.store(true, Ordering::Relaxed);

        reader.join().unwrap();
    }
}
