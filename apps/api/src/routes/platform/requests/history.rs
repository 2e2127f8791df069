use std::collections::BTreeMap;
use std::time::Duration;

use fairlead_domain::performance::{Sample, SeriesKind};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;

use super::period::Period;
use crate::Services;

/// What all processes have written down of a period, added up by its steps.
#[derive(Debug)]
pub(super) struct History<T> {
    pub(super) since: OffsetDateTime,
    step: Duration,
    /// The steps of which something is known, by their number.
    sums: BTreeMap<u32, T>,
}

impl<T: Default + PartialEq + Send> History<T> {
    /// Of the period that ends at a moment.
    pub(super) async fn read(
        services: &Services,
        until: OffsetDateTime,
        period: Period,
        kinds: &[SeriesKind],
        mut add: impl FnMut(&mut T, &Sample) + Send,
    ) -> Result<Self, StoreError> {
        let since = until - period.span();
        let step = period.step();
        let mut history = Self {
            since,
            step,
            sums: BTreeMap::new(),
        };
        let mut each = |sample: &Sample| {
            let behind = u64::try_from((sample.at - since).whole_seconds()).unwrap_or_default();
            let place = u32::try_from(behind / step.as_secs()).unwrap_or(u32::MAX);
            add(history.sums.entry(place).or_default(), sample);
        };
        let samples = &services.performance.samples;
        samples.read(since, until, kinds, &mut each).await?;
        // Of some steps something is known that nobody wanted to add.
        let nothing = T::default();
        history.sums.retain(|_, sum| *sum != nothing);
        Ok(history)
    }
}

impl<T> History<T> {
    /// The beginnings of its steps and what they add up to: the oldest first.
    pub(super) fn steps(&self) -> impl Iterator<Item = (OffsetDateTime, &T)> {
        let steps = self.sums.iter();
        steps.map(|(place, sum)| (self.since + self.step * *place, sum))
    }

    pub(super) fn sums(&self) -> impl Iterator<Item = &T> {
        self.sums.values()
    }
}
