use std::fmt;
use std::time::Duration;

use super::LatencySketch;

/// Names a statement by its text, which has no values: the same in every process and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Stands for all statements that are not told apart.
    pub const OTHERS: Self = Self(0);

    pub const fn new(hash: u64) -> Self {
        Self(hash)
    }

    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// As it is shown; `None` of what was never shown so.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        // `from_str_radix` takes a sign, too.
        let is_shown_so = text.len() == 16 && text.bytes().all(is_hex);
        is_shown_so
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten()
            .map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What one statement has cost a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementCost {
    pub fingerprint: Fingerprint,
    pub calls: u32,
    /// Returned or changed.
    pub rows: u64,
    pub time: Duration,
}

/// Upper bounds of the buckets that statements are counted by, in milliseconds; one more has what took longer.
pub const STATEMENT_BOUNDS_MS: [u64; 11] = [1, 3, 10, 30, 50, 100, 300, 500, 1_000, 2_000, 5_000];

/// What a statement has cost a process since it started.
#[derive(Clone, Debug)]
pub struct StatementReport {
    pub fingerprint: Fingerprint,
    /// Without values; empty of [`Fingerprint::OTHERS`].
    pub text: Box<str>,
    /// Of all that were sent.
    pub times: LatencySketch,
    /// The same by [`STATEMENT_BOUNDS_MS`]: those that took no longer than a bound, and longer than the one before it.
    pub counts: [u64; STATEMENT_BOUNDS_MS.len() + 1],
    /// Of these, those that failed.
    pub failed: u64,
    /// Returned or changed.
    pub rows: u64,
}

impl StatementReport {
    /// What it has cost since it was as `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.counts;
        for (count, before) in counts.iter_mut().zip(earlier.counts) {
            *count = count.saturating_sub(before);
        }
        Self {
            fingerprint: self.fingerprint,
            text: self.text.clone(),
            times: self.times.since(&earlier.times),
            counts,
            failed: self.failed.saturating_sub(earlier.failed),
            rows: self.rows.saturating_sub(earlier.rows),
        }
    }
}

/// Tells what statements have cost, whoever had them sent.
pub trait StatementMeters: fmt::Debug + Send + Sync {
    /// Those that took most time come first. Answers from memory.
    fn statements(&self) -> Vec<StatementReport>;

    /// What one of them says, without values; `None` of those that are not told apart, and of one that was never sent.
    fn text(&self, fingerprint: Fingerprint) -> Option<Box<str>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_shown() {
        for hash in [0, 1, 0x9ae1_6a3b_2f90_404f, u64::MAX] {
            let fingerprint = Fingerprint::new(hash);
            assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
        }
        for wrong in [
            "",
            "9ae16a3b2f90404",
            "+ae16a3b2f90404f",
            "9AE16A3B2F90404F",
            "9ae16a3b2f90404fg",
        ] {
            assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
        }
    }
}
