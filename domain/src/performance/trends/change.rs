use super::ranks::rank_test;
use crate::performance::statistics::{median, real, real_u64, share, two_sided};

/// A figure of each interval of a period, in the order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Period {
    pub values: Vec<f64>,
}

/// How many of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub part: u64,
    pub total: u64,
}

/// What a higher figure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    HigherIsWorse,
    HigherIsBetter,
    /// It is neither, as that of requests is.
    Neutral,
}

/// What became of a figure from one period to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The median of the intervals, or the share; `None`: there is nothing to tell it by.
    pub before: Option<f64>,
    pub after: Option<f64>,
    /// How many intervals, or how many requests, each is made of.
    pub samples: (u64, u64),
    /// By how much of what it was it is another; `None` where it was nothing.
    pub relative: Option<f64>,
    /// How likely it is to seem so by chance; `None`: there are too few samples to say.
    pub p_value: Option<f64>,
    pub verdict: TrendVerdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrendVerdict {
    Better,
    Worse,
    /// Another, without being better or worse.
    Changed,
    /// Nothing that would not be so by chance, or nothing that matters.
    Unchanged,
    /// So many samples are needed in each period to say anything.
    TooFew {
        needed: u64,
    },
}

impl Change {
    /// A test by ranks holds from so many intervals.
    pub const FEWEST_INTERVALS: usize = 8;
    /// A share is compared where so many are on either side of it, in both periods together.
    pub const FEWEST_OF_A_KIND: u64 = 10;
    pub const FEWEST_OF_A_SHARE: u64 = 30;
    /// What is seen by chance once in a hundred times is not taken for a change,
    pub const SIGNIFICANT: f64 = 0.01;
    /// nor is what differs by less than this.
    pub const MATTERS: f64 = 0.05;

    fn judged(self, significant: f64, direction: Direction) -> Self {
        let (Some(p_value), Some(before), Some(after)) = (self.p_value, self.before, self.after) else {
            return self;
        };
        // From nothing to something is a change of any size.
        let matters = self
            .relative
            .is_none_or(|relative| relative.abs() >= Self::MATTERS);
        let is_same = after.total_cmp(&before).is_eq();
        let verdict = if p_value > significant || !matters || is_same {
            TrendVerdict::Unchanged
        } else {
            match (direction, after > before) {
                (Direction::Neutral, _) => TrendVerdict::Changed,
                (Direction::HigherIsWorse, true) | (Direction::HigherIsBetter, false) => TrendVerdict::Worse,
                (Direction::HigherIsWorse, false) | (Direction::HigherIsBetter, true) => TrendVerdict::Better,
            }
        };
        Self { verdict, ..self }
    }
}

/// Compares a figure of two periods.
pub fn compare(before: &Period, after: &Period, direction: Direction) -> Change {
    measured(before, after).judged(Change::SIGNIFICANT, direction)
}

/// Compares figures that are looked at together, each in its place: the more of them there are the surer each must be.
pub fn compare_all(figures: &[(Period, Period, Direction)]) -> Vec<Change> {
    let changes: Vec<Change> = figures
        .iter()
        .map(|(before, after, _)| measured(before, after))
        .collect();
    let mut order: Vec<(usize, f64)> = changes
        .iter()
        .enumerate()
        .filter_map(|(at, change)| Some((at, change.p_value?)))
        .collect();
    order.sort_by(|left, right| left.1.total_cmp(&right.1));
    // Holm: the smallest is asked for an m-th, the next for an (m - 1)-th, until one fails; the rest fail with it.
    let tests = order.len();
    let mut levels = vec![0.0; changes.len()];
    for (place, (at, p_value)) in order.into_iter().enumerate() {
        let level = Change::SIGNIFICANT / real(tests - place);
        if p_value > level {
            break;
        }
        levels[at] = level;
    }
    changes
        .into_iter()
        .zip(levels)
        .zip(figures)
        .map(|((change, level), (_, _, direction))| change.judged(level, *direction))
        .collect()
}

/// Compares two shares, by the normal approximation of the difference of two proportions.
pub fn compare_shares(before: Share, after: Share, direction: Direction) -> Change {
    let (n, m) = (real_u64(before.total), real_u64(after.total));
    let (part, other) = (
        before.part.saturating_add(after.part),
        before.total.saturating_sub(before.part) + after.total.saturating_sub(after.part),
    );
    let is_enough = before.total.min(after.total) >= Change::FEWEST_OF_A_SHARE
        && part.min(other) >= Change::FEWEST_OF_A_KIND;
    let (from, to) = (share(real_u64(before.part), n), share(real_u64(after.part), m));
    let p_value = is_enough.then(|| {
        let pooled = real_u64(part) / (n + m);
        let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
        two_sided((to.unwrap_or_default() - from.unwrap_or_default()) / error)
    });
    Change {
        before: from,
        after: to,
        samples: (before.total, after.total),
        relative: relative(from, to),
        p_value,
        verdict: TrendVerdict::TooFew {
            needed: Change::FEWEST_OF_A_SHARE,
        },
    }
    .judged(Change::SIGNIFICANT, direction)
}

/// What is measured, before it is judged.
fn measured(before: &Period, after: &Period) -> Change {
    let finite = |period: &Period| -> Vec<f64> {
        let values = period.values.iter().copied();
        values.filter(|value| value.is_finite()).collect()
    };
    let (before, after) = (finite(before), finite(after));
    let is_enough = before.len().min(after.len()) >= Change::FEWEST_INTERVALS;
    let (from, to) = (median(&before), median(&after));
    let count = |values: &[f64]| u64::try_from(values.len()).unwrap_or(u64::MAX);
    Change {
        before: from,
        after: to,
        samples: (count(&before), count(&after)),
        relative: relative(from, to),
        p_value: is_enough.then(|| rank_test(&before, &after)),
        verdict: TrendVerdict::TooFew {
            needed: u64::try_from(Change::FEWEST_INTERVALS).unwrap_or(u64::MAX),
        },
    }
}

fn relative(before: Option<f64>, after: Option<f64>) -> Option<f64> {
    let (before, after) = (before?, after?);
    share(after - before, before.abs())
}
