use thiserror::Error;
use time::{Duration, OffsetDateTime};

use crate::performance::statistics::{real, whole};

/// What was measured at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    pub at: OffsetDateTime,
    pub value: f64,
}

/// How far apart the values of a history are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Hour,
    Day,
}

impl Step {
    pub const fn length(self) -> Duration {
        match self {
            Self::Hour => Duration::HOUR,
            Self::Day => Duration::DAY,
        }
    }

    /// After how many steps the shortest pattern repeats: that of a day, or of a week.
    pub(super) const fn cycle(self) -> usize {
        self.cycles()[0]
    }

    /// After how many steps patterns repeat.
    pub(super) const fn cycles(self) -> &'static [usize] {
        match self {
            Self::Hour => &[24, 168],
            Self::Day => &[7],
        }
    }

    /// How many steps a time has, the last one begun.
    pub(super) fn count(self, time: Duration) -> usize {
        whole((time.as_seconds_f64() / self.length().as_seconds_f64()).ceil())
    }
}

/// A history is too little to be forecast.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("insufficient data")]
pub struct TooLittle {
    /// All that is missing.
    pub missing: Vec<Lack>,
}

/// What a history is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lack {
    /// It is too short, for a forecast at all or for one that reaches so far.
    Time { has: Duration, needs: Duration },
    /// Too much of it was not measured.
    Values { missing: f64, allowed: f64 },
}

/// Values at even distances.
#[derive(Clone, Debug)]
pub struct History {
    pub(super) step: Step,
    /// The beginning of the first step.
    pub(super) start: OffsetDateTime,
    /// The mean of each step; where nothing was measured, what was there a cycle before.
    pub(super) values: Vec<f64>,
    /// Which steps were measured: only these are forecast in a back-test.
    pub(super) known: Vec<bool>,
}

impl History {
    /// Less than this has no pattern to speak of, and leaves nothing to test a forecast with.
    pub const CYCLES_NEEDED: usize = 6;
    /// More than this is made up rather than measured.
    pub const GAPS_ALLOWED: f64 = 0.4;
    /// A forecast reaches no further than so many times the history.
    pub const REACH: i32 = 3;
    /// What is older than so many steps is left out.
    const MOST_STEPS: usize = 5_000;

    /// Sorts observations, which may come in any order, into steps. Values that are no numbers were not measured.
    ///
    /// # Errors
    ///
    /// When they are too few, or too far apart.
    pub fn new(step: Step, observations: &[Observation]) -> Result<Self, TooLittle> {
        let length = step.length().whole_seconds();
        let index = |observation: &Observation| observation.at.unix_timestamp().div_euclid(length);
        let measured = || observations.iter().filter(|seen| seen.value.is_finite());
        let needs = step.length() * i32::try_from(Self::CYCLES_NEEDED * step.cycle()).unwrap_or(i32::MAX);
        let too_short = |has| TooLittle {
            missing: vec![Lack::Time { has, needs }],
        };

        let Some(last) = measured().map(index).max() else {
            return Err(too_short(Duration::ZERO));
        };
        let oldest = last - i64::try_from(Self::MOST_STEPS).unwrap_or(i64::MAX) + 1;
        let recent = || measured().filter(|seen| index(seen) >= oldest);
        let first = recent().map(index).min().unwrap_or(last);
        let steps = usize::try_from(last - first + 1).unwrap_or_default();
        let has = step.length() * i32::try_from(steps).unwrap_or(i32::MAX);
        let Ok(start) = OffsetDateTime::from_unix_timestamp(first * length) else {
            return Err(too_short(has));
        };

        let mut sums = vec![(0.0, 0_usize); steps];
        for seen in recent() {
            if let Some((sum, count)) = usize::try_from(index(seen) - first)
                .ok()
                .and_then(|at| sums.get_mut(at))
            {
                *sum += seen.value;
                *count += 1;
            }
        }
        let known: Vec<bool> = sums.iter().map(|(_, count)| *count > 0).collect();
        let mut missing = Vec::new();
        if has < needs {
            missing.push(Lack::Time { has, needs });
        }
        let gaps = real(known.iter().filter(|known| !**known).count()) / real(steps);
        if gaps > Self::GAPS_ALLOWED {
            missing.push(Lack::Values {
                missing: gaps,
                allowed: Self::GAPS_ALLOWED,
            });
        }
        if missing.is_empty() {
            let values = fill(&sums, step.cycle());
            Ok(Self {
                step,
                start,
                values,
                known,
            })
        } else {
            Err(TooLittle { missing })
        }
    }

    pub fn step(&self) -> Step {
        self.step
    }

    /// When the last step ends, which is where a forecast begins.
    pub fn end(&self) -> OffsetDateTime {
        self.moment(self.values.len())
    }

    /// The last value.
    pub fn latest(&self) -> f64 {
        self.values.last().copied().unwrap_or_default()
    }

    /// How much time it covers.
    pub fn span(&self) -> Duration {
        self.end() - self.start
    }

    /// When a step begins.
    pub(super) fn moment(&self, step: usize) -> OffsetDateTime {
        let steps = i32::try_from(step).unwrap_or(i32::MAX);
        self.start.saturating_add(self.step.length() * steps)
    }
}

/// The mean of each step. A gap is filled from before it alone: a back-test must not see what came after.
fn fill(sums: &[(f64, usize)], cycle: usize) -> Vec<f64> {
    let mut values: Vec<f64> = Vec::with_capacity(sums.len());
    for (at, (sum, count)) in sums.iter().enumerate() {
        let earlier = at.checked_sub(cycle).unwrap_or(at.saturating_sub(1));
        values.push(if *count > 0 {
            sum / real(*count)
        } else {
            // The first step was measured: it is where the history begins.
            values.get(earlier).copied().unwrap_or_default()
        });
    }
    values
}
