use time::{Duration, OffsetDateTime};

use super::back_test::walk;
use super::interval::Widths;
use super::limit::reach;
use super::model::line;
use super::season::Adjusted;
use super::{BackTest, History, Lack, Limit, Model, Reach, TooLittle};
use crate::performance::statistics::real;

/// How far ahead: 1 to 24 months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Months(u8);

impl Months {
    pub const MOST: u8 = 24;

    pub fn new(months: u8) -> Option<Self> {
        (1..=Self::MOST).contains(&months).then_some(Self(months))
    }

    pub const fn get(self) -> u8 {
        self.0
    }

    /// The mean month of the Gregorian calendar has 30.436875 days.
    fn duration(self) -> Duration {
        MONTH * i32::from(self.0)
    }
}

const MONTH: Duration = Duration::seconds(2_629_746);

/// What will be needed.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    pub model: Model,
    pub points: Vec<Point>,
    /// How far ahead the back-test has looked. What is said of later has wider intervals, whose width is not tested.
    pub tested_until: OffsetDateTime,
    pub growth: Growth,
    pub back_test: BackTest,
    pub limits: Vec<Reach>,
}

/// What a step will need, by its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub at: OffsetDateTime,
    pub value: f64,
    pub within_80: Band,
    pub within_95: Band,
}

/// Between these.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    pub lower: f64,
    pub upper: f64,
}

/// By how much more was needed each month, over the whole history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    pub per_month: f64,
    /// As a share of what was needed on average; `None` where that was nothing.
    pub share: Option<f64>,
}

/// Forecasts a history, and when it reaches each limit.
///
/// # Errors
///
/// When the history is too short to look so far ahead.
pub fn forecast(history: &History, months: Months, limits: &[Limit]) -> Result<Forecast, TooLittle> {
    let needs = months.duration() / History::REACH;
    if history.span() < needs {
        let has = history.span();
        return Err(TooLittle {
            missing: vec![Lack::Time { has, needs }],
        });
    }
    let horizon = history.step.count(months.duration());
    let tested = horizon.min(history.values.len() / 3);
    let walked = walk(history, horizon, tested);

    let is_never_negative = history.values.iter().all(|value| *value >= 0.0);
    let band = |value: f64, widths: &Widths, distance: usize| {
        let width = widths.at(distance);
        let lower = value - width;
        Band {
            lower: if is_never_negative { lower.max(0.0) } else { lower },
            upper: value + width,
        }
    };
    let [narrow, wide] = &walked.widths;
    let points: Vec<Point> = (1..)
        .zip(&walked.points)
        .map(|(distance, value)| Point {
            at: history.moment(history.values.len() + distance),
            value: *value,
            within_80: band(*value, narrow, distance),
            within_95: band(*value, wide, distance),
        })
        .collect();
    let reaches = |limit| reach(limit, history.latest(), &points);
    Ok(Forecast {
        model: walked.model,
        tested_until: history.moment(history.values.len() + tested),
        growth: growth(history),
        back_test: walked.test,
        limits: limits.iter().map(reaches).collect(),
        points,
    })
}

fn growth(history: &History) -> Growth {
    let values = Adjusted::of(&history.values, history.step.cycles()).values;
    let slope = line(&values, history.step.cycle()).map_or(0.0, |line| line.slope);
    let per_month = slope * (MONTH.as_seconds_f64() / history.step.length().as_seconds_f64());
    let mean = history.values.iter().sum::<f64>() / real(history.values.len());
    Growth {
        per_month,
        share: (mean > 0.0).then(|| per_month / mean),
    }
}
