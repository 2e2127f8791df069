use time::OffsetDateTime;

use super::{Forecast, Point};

/// How much there is of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    pub name: String,
    pub value: f64,
}

/// When a limit is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Reach {
    pub limit: Limit,
    pub when: Reached,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It is reached already.
    Already,
    /// Not within the forecast, even should more be needed than its interval of 80 % holds.
    NotWithin,
    Within {
        /// When the upper end of that interval is there,
        earliest: OffsetDateTime,
        /// when what is most likely is,
        likely: Option<OffsetDateTime>,
        /// and when even the lower end is; `None`: not within the forecast.
        latest: Option<OffsetDateTime>,
    },
}

/// Looks when points reach a limit. Where a pattern repeats that is at a peak, after which they may fall below it again.
pub(super) fn reach(limit: &Limit, latest: f64, points: &[Point]) -> Reach {
    let first = |value: fn(&Point) -> f64| {
        points
            .iter()
            .find(|point| value(point) >= limit.value)
            .map(|point| point.at)
    };
    let when = if latest >= limit.value {
        Reached::Already
    } else {
        match first(|point| point.within_80.upper) {
            None => Reached::NotWithin,
            Some(earliest) => Reached::Within {
                earliest,
                likely: first(|point| point.value),
                latest: first(|point| point.within_80.lower),
            },
        }
    };
    Reach {
        limit: limit.clone(),
        when,
    }
}

impl Forecast {
    /// In how many days the first of its limits is likely to be reached. One that is not within the forecast is not reached
    /// before that ends.
    pub fn days_left(&self, now: OffsetDateTime) -> f64 {
        let end = self.points.last().map_or(now, |point| point.at);
        let reached = self.limits.iter().map(|reach| match reach.when {
            Reached::Already => now,
            Reached::NotWithin => end,
            Reached::Within { likely, .. } => likely.unwrap_or(end),
        });
        let first = reached.min().unwrap_or(end);
        ((first - now).as_seconds_f64() / 86_400.0).max(0.0)
    }
}
