use std::collections::BTreeMap;
use std::time::Duration;

use time::OffsetDateTime;

use super::default_objectives;
use crate::performance::sample::beginning;
use crate::performance::{Figures, Series};

/// What became of requests by each objective, by the five minutes in which they were measured. However late it is written
/// down: what has failed while nothing could be written is what a burn rate is asked about first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<(OffsetDateTime, String), Count>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub total: u64,
    pub bad: u64,
}

impl Counts {
    /// They begin with the hours.
    const STEP: Duration = Duration::from_mins(5);

    /// Adds what was measured in an interval that began at a moment.
    pub fn note(&mut self, at: OffsetDateTime, measured: &[(Series, Figures)]) {
        let begin = beginning(Self::STEP, at);
        for objective in default_objectives() {
            let (total, bad) = objective.promise.tally(measured);
            if total > 0 {
                self.add(begin, objective.name, Count { total, bad });
            }
        }
    }

    pub fn merge(&mut self, others: Self) {
        for ((at, objective), count) in others.0 {
            self.add(at, objective, count);
        }
    }

    /// When it began, of which objective, and how many: in this order.
    pub fn iter(&self) -> impl Iterator<Item = (OffsetDateTime, &str, Count)> {
        self.0
            .iter()
            .map(|((at, objective), count)| (*at, objective.as_str(), *count))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, at: OffsetDateTime, objective: String, count: Count) {
        let known = self.0.entry((at, objective)).or_default();
        known.total += count.total;
        known.bad += count.bad;
    }
}
