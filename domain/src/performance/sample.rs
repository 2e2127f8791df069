use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::alerts::Counts;
use super::vitals::{Page, Vital};
use super::{LatencySketch, Taken};
use crate::identity::TenantId;
use crate::store::StoreError;

/// What was measured of one thing within an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// When the interval began.
    pub at: OffsetDateTime,
    pub series: Series,
    pub figures: Figures,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Series {
    /// Requests.
    Route(RouteSeries),
    /// All statements together.
    Statements,
    /// What browsers of all tenants have measured of a page.
    Vital(Vital, Page),
    /// Something that has a level at each moment.
    Gauge(Box<str>),
    /// Something that happens so and so often.
    Counter(Box<str>),
}

/// Requests by one method of one route that were answered alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteSeries {
    pub method: Box<str>,
    /// The pattern; empty of all that lead nowhere.
    pub route: Box<str>,
    /// The first digit of the status.
    pub class: u8,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Figures {
    Times(LatencySketch),
    Level(Level),
    /// How often it has happened.
    Count(u64),
}

/// A level, as it was seen several times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Level {
    /// How often it was looked at.
    pub looks: u64,
    /// Of what was seen.
    pub sum: f64,
    pub highest: f64,
}

/// What series have in common, by which they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeriesKind {
    Route,
    Statements,
    Vital,
    Gauge,
    Counter,
}

/// How long an interval is that samples are of. What is older is kept by longer ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grain {
    /// As it was measured.
    Fine,
    Hour,
    Day,
}

/// The measured past, of all processes.
#[async_trait]
pub trait Samples: fmt::Debug + Send + Sync {
    /// Writes down what this process has measured within an interval, and adds what became of requests and what tenants
    /// have taken to what all know of that: all or nothing. No other of its intervals began at the same moment.
    async fn add(
        &self,
        at: OffsetDateTime,
        measured: &[(Series, Figures)],
        counts: &Counts,
        taken: &[(TenantId, Taken)],
    ) -> Result<(), StoreError>;

    /// Whether this process has written down an interval that began at this moment.
    async fn has(&self, at: OffsetDateTime) -> Result<bool, StoreError>;

    /// Hands over what all processes have measured of these kinds in intervals that began from `since` on and before
    /// `until`: the oldest first. There may be too much of it to be held at once.
    async fn read(
        &self,
        since: OffsetDateTime,
        until: OffsetDateTime,
        kinds: &[SeriesKind],
        each: &mut (dyn for<'s> FnMut(&'s Sample) + Send),
    ) -> Result<(), StoreError>;

    /// What all processes have seen of a level from `since` on, by steps of the same length: the oldest first, and without
    /// those in which nobody looked.
    async fn levels(
        &self,
        gauge: &str,
        since: OffsetDateTime,
        step: Duration,
    ) -> Result<Vec<(OffsetDateTime, Level)>, StoreError>;
}

impl Series {
    pub fn kind(&self) -> SeriesKind {
        match self {
            Self::Route(_) => SeriesKind::Route,
            Self::Statements => SeriesKind::Statements,
            Self::Vital(..) => SeriesKind::Vital,
            Self::Gauge(_) => SeriesKind::Gauge,
            Self::Counter(_) => SeriesKind::Counter,
        }
    }
}

impl SeriesKind {
    pub const ALL: [Self; 5] = [
        Self::Route,
        Self::Statements,
        Self::Vital,
        Self::Gauge,
        Self::Counter,
    ];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Statements => "statements",
            Self::Vital => "vital",
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Grain {
    pub const ALL: [Self; 3] = [Self::Fine, Self::Hour, Self::Day];

    /// After so long, samples of this grain become some of the next; `None`: they are kept.
    pub fn kept_for(self) -> Option<Duration> {
        match self {
            Self::Fine => Some(Duration::from_hours(48)),
            Self::Hour => Some(Duration::from_hours(90 * 24)),
            Self::Day => None,
        }
    }

    pub fn next(self) -> Option<Self> {
        match self {
            Self::Fine => Some(Self::Hour),
            Self::Hour => Some(Self::Day),
            Self::Day => None,
        }
    }

    /// How long its intervals are; `None`: as long as processes are told to measure.
    pub fn interval(self) -> Option<Duration> {
        match self {
            Self::Fine => None,
            Self::Hour => Some(Duration::from_hours(1)),
            Self::Day => Some(Duration::from_hours(24)),
        }
    }

    /// The beginning of its interval that a moment is in.
    pub fn beginning(self, at: OffsetDateTime) -> OffsetDateTime {
        self.interval().map_or(at, |interval| beginning(interval, at))
    }
}

/// The beginning of the interval that a moment is in, where all are as long, and one begins with 1970.
pub(super) fn beginning(interval: Duration, at: OffsetDateTime) -> OffsetDateTime {
    let seconds = i64::try_from(interval.as_secs()).unwrap_or(i64::MAX);
    let past = at.unix_timestamp().rem_euclid(seconds);
    at.replace_nanosecond(0).unwrap_or(at) - time::Duration::seconds(past)
}

impl Level {
    pub fn of(value: f64) -> Self {
        Self {
            looks: 1,
            sum: value,
            highest: value,
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.looks += other.looks;
        self.sum += other.sum;
        self.highest = self.highest.max(other.highest);
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody looks 2^53 times")]
    pub fn mean(&self) -> Option<f64> {
        (self.looks > 0).then(|| self.sum / self.looks as f64)
    }
}

impl Figures {
    /// Takes in what was measured of the same series in another interval, or by another process. What is not of the same
    /// kind is left out.
    pub fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Times(own), Self::Times(others)) => own.merge(others),
            (Self::Level(own), Self::Level(others)) => own.merge(others),
            (Self::Count(own), Self::Count(others)) => *own += others,
            _ => {}
        }
    }
}

/// Makes one sample of those of each series that are within one interval of a grain, whoever measured them.
pub fn thin(samples: impl IntoIterator<Item = Sample>, grain: Grain) -> Vec<Sample> {
    let mut thinned: BTreeMap<(OffsetDateTime, Series), Figures> = BTreeMap::new();
    for sample in samples {
        let at = grain.beginning(sample.at);
        match thinned.entry((at, sample.series)) {
            Entry::Occupied(mut known) => known.get_mut().merge(&sample.figures),
            Entry::Vacant(place) => {
                place.insert(sample.figures);
            }
        }
    }
    let thinned = thinned.into_iter();
    thinned
        .map(|((at, series), figures)| Sample { at, series, figures })
        .collect()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn sample(at: OffsetDateTime, figures: Figures) -> Sample {
        let name = match figures {
            Figures::Count(_) => Series::Counter("hits".into()),
            Figures::Level(_) => Series::Gauge("memory".into()),
            Figures::Times(_) => Series::Statements,
        };
        Sample {
            at,
            series: name,
            figures,
        }
    }

    #[test]
    fn an_hour_has_all_that_its_minutes_had() {
        let times = |millis| {
            let mut sketch = LatencySketch::default();
            sketch.note(Duration::from_millis(millis));
            Figures::Times(sketch)
        };
        let (first, second) = (
            datetime!(2026-11-22 10:01:30 UTC),
            datetime!(2026-11-22 10:59:59.5 UTC),
        );
        let samples = [
            sample(first, times(3)),
            sample(second, times(9)),
            sample(first, Figures::Level(Level::of(4.0))),
            sample(second, Figures::Level(Level::of(2.0))),
            sample(first, Figures::Count(5)),
            sample(second, Figures::Count(6)),
            sample(datetime!(2026-11-22 11:00 UTC), Figures::Count(7)),
        ];

        let hours = thin(samples, Grain::Hour);

        let ten = datetime!(2026-11-22 10:00 UTC);
        let of = |at, kind| {
            let found = hours
                .iter()
                .find(|sample| sample.at == at && sample.series.kind() == kind);
            found.unwrap().figures.clone()
        };
        let Figures::Times(sketch) = of(ten, SeriesKind::Statements) else {
            panic!("{hours:?}")
        };
        assert_eq!(
            (sketch.count(), sketch.longest()),
            (2, Some(Duration::from_millis(9)))
        );
        let level = Level {
            looks: 2,
            sum: 6.0,
            highest: 4.0,
        };
        assert_eq!(of(ten, SeriesKind::Gauge), Figures::Level(level));
        assert_eq!(of(ten, SeriesKind::Counter), Figures::Count(11));
        assert_eq!(
            of(ten + time::Duration::HOUR, SeriesKind::Counter),
            Figures::Count(7)
        );
        assert_eq!(hours.len(), 4);
    }

    #[test]
    fn days_begin_at_midnight() {
        let at = datetime!(2026-11-22 23:59:59 UTC);

        assert_eq!(Grain::Day.beginning(at), datetime!(2026-11-22 00:00 UTC));
        assert_eq!(Grain::Fine.beginning(at), at);
    }
}
