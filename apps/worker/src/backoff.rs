use std::time::Duration;

/// How long to wait before something is tried again: twice as long each time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) most: Duration,
}

impl Backoff {
    /// After so many failures.
    pub(crate) fn after(self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_millis(100),
        most: Duration::from_secs(10),
    };

    #[test]
    fn the_pause_doubles_up_to_the_most() {
        let pauses: Vec<u64> = (1..=9)
            .map(|failures| BACKOFF.after(failures).as_millis().try_into().unwrap())
            .collect();

        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(BACKOFF.after(u32::MAX), BACKOFF.most);
    }
}
