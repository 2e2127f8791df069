use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::micros;

/// Buckets per doubling: a quantile is at most a quarter too high.
const PER_DOUBLING: u32 = 4;
/// From 1 µs up to 2^26 µs, about a minute; what is longer counts as that.
const BUCKETS: usize = 26 * PER_DOUBLING as usize;

/// Times in buckets of constant relative width; of constant size.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    count: AtomicU64,
    sum_micros: AtomicU64,
    max_micros: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            count: AtomicU64::new(0),
            sum_micros: AtomicU64::new(0),
            max_micros: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    pub(crate) fn note(&self, time: Duration) {
        let micros = micros(time);
        self.buckets[bucket(micros)].fetch_add(1, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
        self.max_micros.fetch_max(micros, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_micros.load(Ordering::Relaxed))
    }

    pub(crate) fn max(&self) -> Duration {
        Duration::from_micros(self.max_micros.load(Ordering::Relaxed))
    }

    /// The time that `percent` of all did not exceed; `None` when there were none.
    pub(crate) fn percentile(&self, percent: u64) -> Option<Duration> {
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .collect();
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return None;
        }
        let rank = (total * percent).div_ceil(100).max(1);
        let mut below = 0;
        let found = counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        let upper = upper_bound(found.unwrap_or(BUCKETS - 1));
        Some(Duration::from_micros(upper).min(self.max()))
    }
}

fn bucket(micros: u64) -> usize {
    let micros = micros.max(1);
    let doubling = micros.ilog2();
    // The two bits below the leading one.
    let part = if doubling >= 2 {
        (micros >> (doubling - 2)) & 3
    } else {
        (micros << (2 - doubling)) & 3
    };
    let index = doubling * PER_DOUBLING + u32::try_from(part).expect("two bits");
    (index as usize).min(BUCKETS - 1)
}

/// The largest time of a bucket, in microseconds.
fn upper_bound(bucket: usize) -> u64 {
    let bucket = u32::try_from(bucket).expect("there are few buckets");
    let (doubling, part) = (bucket / PER_DOUBLING, u64::from(bucket % PER_DOUBLING));
    ((5 + part) << doubling).div_ceil(4) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_within_a_quarter_below_the_bound_of_its_bucket() {
        for micros in (1..5_000).chain([1 << 20, (1 << 25) + 12_345]) {
            let bound = upper_bound(bucket(micros));

            assert!(bound >= micros, "{micros} µs lies above {bound}");
            assert!(
                bound <= micros + micros.div_ceil(4),
                "{micros} µs lies far below {bound}"
            );
        }
    }

    #[test]
    fn percentiles_are_those_of_the_times_noted() {
        let histogram = Histogram::default();
        assert_eq!(histogram.percentile(50), None);
        for millis in 1..=100 {
            histogram.note(Duration::from_millis(millis));
        }

        let median = histogram.percentile(50).unwrap();
        assert!(median >= Duration::from_millis(50) && median <= Duration::from_millis(63));
        assert_eq!(histogram.percentile(100), Some(Duration::from_millis(100)));
        assert_eq!(histogram.count(), 100);
    }
}
