use std::time::Duration;

/// Each power of two of microseconds is parted into so many buckets.
const PARTS: usize = 16;
const PART_BITS: u32 = PARTS.ilog2();
/// What takes longer than 2^27 µs, which is 134 s, is in the last bucket.
const MAX_BITS: u32 = 27;
const BUCKETS: usize = PARTS + (MAX_BITS - PART_BITS) as usize * PARTS;
/// The first byte of a sketch that is written down.
const FORMAT: u8 = 1;

/// How long things took, in 3,000 bytes, however many there were.
///
/// It counts by buckets whose width is a sixteenth of where their power of two begins, as HDR histograms do: what it tells is
/// off by at most 1/32, or by a microsecond where that is more, of something that was noted, up to 134 s. The longest and the sum are
/// exact. Buckets are the same in all sketches, so that of several is their union, to the count
/// (Masson, Rim, Lee: `DDSketch`, VLDB 2019, has the same property by another mapping, which needs logarithms).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencySketch {
    counts: Box<[u64; BUCKETS]>,
    count: u64,
    sum: Duration,
    longest: Duration,
}

/// Bytes that are no sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a latency sketch that this version has written")]
pub struct InvalidSketch;

impl Default for LatencySketch {
    fn default() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
            count: 0,
            sum: Duration::ZERO,
            longest: Duration::ZERO,
        }
    }
}

impl LatencySketch {
    /// What a quantile is off by at the most, as a part of it; below 32 µs it is off by one at the most.
    pub const RELATIVE_ERROR: f64 = 1.0 / 32.0;

    /// Takes note of one that took so long.
    pub fn note(&mut self, took: Duration) {
        self.counts[bucket(took)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(took);
        self.longest = self.longest.max(took);
    }

    /// Takes in what others have noted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&*other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.longest = self.longest.max(other.longest);
    }

    /// What was noted since it was as `earlier`. The longest is that of its bucket then, unless it is the longest of all.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = Box::new([0; BUCKETS]);
        for (place, count) in counts.iter_mut().enumerate() {
            *count = self.counts[place].saturating_sub(earlier.counts[place]);
        }
        let count = counts.iter().sum();
        let longest = if self.longest > earlier.longest {
            self.longest
        } else {
            let last = counts.iter().rposition(|count| *count > 0);
            last.map_or(Duration::ZERO, |bucket| middle(bucket).min(self.longest))
        };
        Self {
            counts,
            count,
            sum: self.sum.saturating_sub(earlier.sum),
            longest,
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn sum(&self) -> Duration {
        self.sum
    }

    pub fn longest(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.longest)
    }

    pub fn mean(&self) -> Option<Duration> {
        let nanoseconds = self.sum.as_nanos().checked_div(u128::from(self.count))?;
        Some(Duration::from_nanos(
            u64::try_from(nanoseconds).unwrap_or(u64::MAX),
        ))
    }

    /// How long those took at the most that are so many of a thousand; `None` when there were none.
    pub fn quantile(&self, of_thousand: u16) -> Option<Duration> {
        let wanted = u128::from(self.count) * u128::from(of_thousand.min(1_000));
        let wanted = wanted.div_ceil(1_000).max(1);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += u128::from(*count);
            seen >= wanted
        })?;
        Some(middle(bucket).min(self.longest))
    }

    /// How many took longer; those of the bucket that it lies in did not.
    pub fn longer_than(&self, bound: Duration) -> u64 {
        self.counts[bucket(bound) + 1..].iter().sum()
    }

    /// To be kept: the buckets that have something, which are few.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        push(&mut bytes, u64::try_from(self.sum.as_nanos()).unwrap_or(u64::MAX));
        push(
            &mut bytes,
            u64::try_from(self.longest.as_nanos()).unwrap_or(u64::MAX),
        );
        let mut next = 0;
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            push(&mut bytes, (bucket - next) as u64);
            push(&mut bytes, *count);
            next = bucket + 1;
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) has written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSketch> {
        let (&FORMAT, mut rest) = bytes.split_first().ok_or(InvalidSketch)? else {
            return Err(InvalidSketch);
        };
        let mut sketch = Self {
            sum: Duration::from_nanos(take(&mut rest)?),
            longest: Duration::from_nanos(take(&mut rest)?),
            ..Self::default()
        };
        let mut next = 0_usize;
        while !rest.is_empty() {
            let skipped = usize::try_from(take(&mut rest)?).map_err(|_| InvalidSketch)?;
            let bucket = next.checked_add(skipped).ok_or(InvalidSketch)?;
            let count = take(&mut rest)?;
            *sketch.counts.get_mut(bucket).ok_or(InvalidSketch)? = count;
            sketch.count = sketch.count.checked_add(count).ok_or(InvalidSketch)?;
            next = bucket + 1;
        }
        Ok(sketch)
    }
}

/// Up to the first power that has enough of them, a bucket is a microsecond.
fn bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let micros = micros.min((1 << MAX_BITS) - 1);
    let power = (micros | 1).ilog2();
    if power < PART_BITS {
        return usize::try_from(micros).unwrap_or_default();
    }
    let part = usize::try_from(micros >> (power - PART_BITS)).unwrap_or_default() - PARTS;
    PARTS + (power - PART_BITS) as usize * PARTS + part
}

fn middle(bucket: usize) -> Duration {
    if bucket < PARTS {
        return Duration::from_nanos(bucket as u64 * 1_000 + 500);
    }
    let (power, part) = ((bucket - PARTS) / PARTS, (bucket - PARTS) % PARTS);
    let width = 1_000_u64 << power;
    Duration::from_nanos((PARTS + part) as u64 * width + width / 2)
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn push(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Result<u64, InvalidSketch> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (first, rest) = bytes.split_first().ok_or(InvalidSketch)?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(InvalidSketch)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn sketch_of(nanoseconds: &[u64]) -> LatencySketch {
        let mut sketch = LatencySketch::default();
        for nanoseconds in nanoseconds {
            sketch.note(Duration::from_nanos(*nanoseconds));
        }
        sketch
    }

    /// From nanoseconds to two minutes, each power as likely as the others.
    /// Up to where the last bucket begins to take more than its width.
    fn times() -> impl Strategy<Value = Vec<u64>> {
        vec(
            (0..37_u32, any::<u64>())
                .prop_map(|(power, low)| (1 << power) | (low & ((1 << power) - 1)))
                .prop_map(|nanoseconds| nanoseconds.min((1_000 << MAX_BITS) - 1)),
            1..200,
        )
    }

    proptest! {
        #[test]
        fn what_several_sketches_tell_is_what_one_of_all_would(left in times(), right in times()) {
            let mut merged = sketch_of(&left);
            merged.merge(&sketch_of(&right));

            prop_assert_eq!(merged, sketch_of(&[left, right].concat()));
        }

        #[test]
        fn a_quantile_is_close_to_one_that_was_noted(mut times in times(), of_thousand in 0..=1_000_u16) {
            let told = sketch_of(&times).quantile(of_thousand).unwrap().as_nanos();

            times.sort_unstable();
            let rank = (times.len() * usize::from(of_thousand)).div_ceil(1_000).max(1);
            let exact = u128::from(times[rank - 1]);
            // A part of it, or a microsecond.
            prop_assert!(told.abs_diff(exact) <= (exact / 32).max(1_000), "{told} for {exact}");
        }

        #[test]
        fn as_many_took_longer_as_are_behind_the_bucket(times in times(), bound in 0..200_000_u64) {
            let bound = Duration::from_micros(bound);
            let told = sketch_of(&times).longer_than(bound);

            let behind = |nanoseconds: &&u64| bucket(Duration::from_nanos(**nanoseconds)) > bucket(bound);
            prop_assert_eq!(told, times.iter().filter(behind).count() as u64);
            // No more than are longer, and all that are longer by a sixteenth.
            let bound = bound.as_nanos();
            let longer = |sixteenths: u128| {
                let is_longer = |took: &&u64| u128::from(**took) * 16 > bound * sixteenths + 16_000 * (sixteenths - 16);
                times.iter().filter(is_longer).count() as u64
            };
            prop_assert!((longer(17)..=longer(16)).contains(&told));
        }

        #[test]
        fn a_sketch_is_read_as_it_was_written(times in times()) {
            let sketch = sketch_of(&times);

            prop_assert_eq!(LatencySketch::from_bytes(&sketch.to_bytes()), Ok(sketch));
        }

        #[test]
        fn what_came_since_is_what_was_noted_since(before in times(), after in times()) {
            let mut whole = sketch_of(&before);
            let earlier = whole.clone();
            whole.merge(&sketch_of(&after));

            let since = whole.since(&earlier);

            let alone = sketch_of(&after);
            prop_assert_eq!((&since.counts, since.count, since.sum), (&alone.counts, alone.count, alone.sum));
            let (told, exact) = (since.longest.as_nanos(), alone.longest.as_nanos());
            prop_assert!(told.abs_diff(exact) <= (exact / 32).max(1_000), "{told} for {exact}");
        }

        #[test]
        fn bytes_of_others_are_refused_or_read_and_never_panic(bytes in vec(any::<u8>(), 0..100)) {
            let _ = LatencySketch::from_bytes(&bytes);
        }
    }

    #[test]
    fn what_never_ends_is_counted_too() {
        let sketch = sketch_of(&[u64::MAX, 0]);

        assert_eq!(
            (sketch.count(), sketch.quantile(0)),
            (2, Some(Duration::from_nanos(500)))
        );
        assert_eq!(sketch.longest(), Some(Duration::from_nanos(u64::MAX)));
        assert!(sketch.quantile(1_000) > Some(Duration::from_secs(130)));
    }

    #[test]
    fn nothing_has_no_figures() {
        let nothing = LatencySketch::default();

        assert_eq!(
            (nothing.quantile(500), nothing.mean(), nothing.longest()),
            (None, None, None)
        );
        assert!(nothing.to_bytes().len() < 5);
    }
}
