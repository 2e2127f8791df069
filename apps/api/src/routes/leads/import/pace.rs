//! How slow a client may be that holds a place.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// What one client has taken of our time, and what it has done in it.
///
/// Patience with each piece by itself would do no good: who sends a byte now and then would stay for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    patience: Duration,
    /// Who does as much may go on for as long as it likes.
    bytes_per_second: u32,
    waited: Duration,
    bytes: u64,
}

/// A client was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooSlow;

impl Pace {
    /// Of a file that arrives, or a report that is read: far below what a slow mobile connection does.
    pub(super) const OF_FILES: Self = Self::new(Duration::from_mins(1), 16 << 10);

    pub(super) const fn new(patience: Duration, bytes_per_second: u32) -> Self {
        Self {
            patience,
            bytes_per_second,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Waits for the client, whose time runs only meanwhile.
    pub(super) async fn wait<T>(&mut self, client: impl Future<Output = T>) -> Result<T, TooSlow> {
        let earned = Duration::from_millis(self.bytes * 1_000 / u64::from(self.bytes_per_second));
        let left = (self.patience + earned).saturating_sub(self.waited);
        let began = Instant::now();
        let done = timeout(left, client).await;
        self.waited += began.elapsed();
        done.map_err(|_| TooSlow)
    }

    pub(super) fn note(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }
}
