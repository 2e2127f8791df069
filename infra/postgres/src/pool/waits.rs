//! How long units of work waited for a connection: a sketch of fixed size over the last one to two minutes.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use fairlead_domain::database::WaitTimes;

/// Two buckets for each power of two of microseconds, from one to 2^31, which is 36 minutes: a figure read from them is
/// at most 50 % too high.
const BUCKETS: usize = 64;

/// Counts are read for reports alone and order nothing, hence `Relaxed` throughout.
#[derive(Debug)]
pub(crate) struct Waits {
    windows: [[AtomicU32; BUCKETS]; 2],
    current: AtomicUsize,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            windows: [const { [const { AtomicU32::new(0) }; BUCKETS] }; 2],
            current: AtomicUsize::new(0),
        }
    }
}

impl Waits {
    pub(crate) fn note(&self, wait: Duration) {
        let window = &self.windows[self.current.load(Ordering::Relaxed)];
        window[bucket(wait)].fetch_add(1, Ordering::Relaxed);
    }

    /// Begins a new window and forgets the one before the last; called once a minute.
    pub(crate) fn turn(&self) {
        let next = 1 - self.current.load(Ordering::Relaxed);
        for count in &self.windows[next] {
            count.store(0, Ordering::Relaxed);
        }
        self.current.store(next, Ordering::Relaxed);
    }

    /// `None` when nobody took a connection.
    pub(crate) fn times(&self) -> Option<WaitTimes> {
        let counts: Vec<u64> = (0..BUCKETS)
            .map(|bucket| {
                let of = |window: &[AtomicU32; BUCKETS]| u64::from(window[bucket].load(Ordering::Relaxed));
                self.windows.iter().map(of).sum()
            })
            .collect();
        let count: u64 = counts.iter().sum();
        let within = |percent: u64| {
            let wanted = (count * percent).div_ceil(100);
            let mut seen = 0;
            let bucket = counts.iter().position(|count| {
                seen += count;
                seen >= wanted
            });
            upper_bound(bucket.unwrap_or(BUCKETS - 1))
        };
        (count > 0).then(|| WaitTimes {
            count,
            p50: within(50),
            p95: within(95),
            p99: within(99),
        })
    }
}

fn bucket(wait: Duration) -> usize {
    let micros = u32::try_from(wait.as_micros()).unwrap_or(u32::MAX).max(1);
    let power = micros.ilog2();
    let upper_half = power > 0 && micros & (1 << (power - 1)) != 0;
    power as usize * 2 + usize::from(upper_half)
}

fn upper_bound(bucket: usize) -> Duration {
    let base = 1_u64 << (bucket / 2);
    Duration::from_micros(
        base + if bucket.is_multiple_of(2) {
            base.div_ceil(2)
        } else {
            base
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn a_wait_lies_below_the_bound_of_its_bucket_and_not_far() {
        for wait in [
            1,
            2,
            3,
            4,
            5,
            6,
            7,
            8,
            99,
            1000,
            65_535,
            65_536,
            3_000_000,
            1 << 30,
        ] {
            let bound = upper_bound(bucket(micros(wait)));

            assert!(
                bound >= micros(wait) && bound <= micros(wait * 2),
                "{wait}: {bound:?}"
            );
        }
        assert!(bucket(Duration::MAX) < BUCKETS && bucket(Duration::ZERO) == 0);
    }

    #[test]
    fn percentiles_are_those_of_the_last_two_windows() {
        let waits = Waits::default();
        assert_eq!(waits.times(), None);

        for _ in 0..98 {
            waits.note(micros(10));
        }
        waits.turn();
        waits.note(micros(5_000));
        waits.note(micros(900_000));

        let times = waits.times().unwrap();
        assert_eq!((times.count, times.p50, times.p95), (100, micros(12), micros(12)));
        assert_eq!(times.p99, upper_bound(bucket(micros(5_000))));
        waits.turn();
        waits.turn();
        assert_eq!(waits.times(), None);
    }
}
