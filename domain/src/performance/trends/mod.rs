//! Whether a figure is another one than it was, or only seems to be.
//!
//! Two periods are compared by the values of their intervals, say the P95 of each minute, and not by requests: those of one
//! minute share its fate, so a thousand of them say little more than one. Intervals are ranked (Mann and Whitney, 1947),
//! because latencies have long tails and no normal distribution. Shares, such as those of failures, are compared as such.
//! Where many figures are compared at once some would seem to have changed by chance; [`compare_all`] asks the more of each
//! (Holm, 1979). What is significant but small is not worth a word: a change has to matter as well.

mod change;
mod ranks;

pub use change::{Change, Direction, Period, Share, TrendVerdict, compare, compare_all, compare_shares};

#[cfg(test)]
mod tests;
