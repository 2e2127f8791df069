use fairlead_domain::performance::forecast::{
    BackTest, Band, Forecast, Growth, Lack, Point, Reach, Reached, TooLittle,
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// What will be needed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ForecastMade)]
pub(super) struct MadeView {
    /// Which of those that were tried had done best so far: `seasonal-naive`, `recent-level`, `level`, `recent-line`,
    /// `line`, `growth`, `smoothed` or `middle`.
    model: &'static str,
    /// What is said of later has wider intervals, whose width is not tested.
    #[serde(with = "time::serde::rfc3339")]
    tested_until: OffsetDateTime,
    growth: GrowthView,
    back_test: BackTestView,
    limits: Vec<LimitView>,
    /// One a day: where it is forecast by the hour, the highest of the day.
    points: Vec<PointView>,
}

/// By how much more was needed each month, over the whole history.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ForecastGrowth)]
struct GrowthView {
    per_month: f64,
    /// As a part of what was needed on average; `null` where that was nothing.
    #[schema(required = true)]
    ratio: Option<f64>,
}

/// What became of the forecasts that would have been made from moments of the past, with what was known by then alone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ForecastBackTest)]
struct BackTestView {
    /// From how many moments.
    origins: usize,
    /// How far ahead.
    horizon_days: f64,
    /// How many were compared with what came.
    outcomes: usize,
    /// By how much they were wrong, on average, in the unit of the resource.
    error: f64,
    /// By how much those were that say what was a day or a week ago.
    naive_error: f64,
    /// Less than 1 is better than that; `null` when it was never wrong.
    #[schema(required = true, minimum = 0)]
    relative_error: Option<f64>,
    /// Which part of what came lay within the intervals.
    #[schema(minimum = 0, maximum = 1)]
    covered_80: f64,
    #[schema(minimum = 0, maximum = 1)]
    covered_95: f64,
}

/// When a limit is reached.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ForecastLimit)]
struct LimitView {
    name: String,
    value: f64,
    /// `already`; `within` what is forecast; or `not-within`, even should more be needed than the interval of 80 % holds.
    reached: &'static str,
    /// When the upper end of that interval is there,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    earliest: Option<OffsetDateTime>,
    /// when what is most likely is,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    likely: Option<OffsetDateTime>,
    /// and when even the lower end is.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    latest: Option<OffsetDateTime>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ForecastPoint)]
struct PointView {
    /// The end of the time it is forecast for.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    value: f64,
    /// With 80 and 95 of a hundred, it lies between these.
    lower80: f64,
    upper80: f64,
    lower95: f64,
    upper95: f64,
}

/// Something that a history is missing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ForecastLack)]
pub(super) struct LackView {
    /// `time`: it is too short, in days; `values`: too much of it was not measured, as a part of it.
    missing: &'static str,
    has: f64,
    needs: f64,
}

impl From<Forecast> for MadeView {
    fn from(forecast: Forecast) -> Self {
        Self {
            model: forecast.model.as_str(),
            tested_until: forecast.tested_until,
            growth: GrowthView::from(forecast.growth),
            back_test: BackTestView::from(forecast.back_test),
            limits: forecast.limits.into_iter().map(LimitView::from).collect(),
            points: days(&forecast.points),
        }
    }
}

/// The highest of each day.
fn days(points: &[Point]) -> Vec<PointView> {
    // A step ends at `at`, and belongs to the day before where that is midnight.
    let day = |point: &Point| (point.at - time::Duration::SECOND).date();
    points
        .chunk_by(|left, right| day(left) == day(right))
        .filter_map(|of_day| {
            of_day
                .iter()
                .max_by(|left, right| left.value.total_cmp(&right.value))
        })
        .map(PointView::from)
        .collect()
}

impl From<Growth> for GrowthView {
    fn from(growth: Growth) -> Self {
        Self {
            per_month: growth.per_month,
            ratio: growth.share,
        }
    }
}

impl From<BackTest> for BackTestView {
    fn from(test: BackTest) -> Self {
        Self {
            origins: test.origins,
            horizon_days: test.horizon.as_seconds_f64() / 86_400.0,
            outcomes: test.outcomes,
            error: test.error,
            naive_error: test.naive_error,
            relative_error: test.relative_error(),
            covered_80: test.covered_80,
            covered_95: test.covered_95,
        }
    }
}

impl From<Reach> for LimitView {
    fn from(reach: Reach) -> Self {
        let (reached, earliest, likely, latest) = match reach.when {
            Reached::Already => ("already", None, None, None),
            Reached::NotWithin => ("not-within", None, None, None),
            Reached::Within {
                earliest,
                likely,
                latest,
            } => ("within", Some(earliest), likely, latest),
        };
        Self {
            name: reach.limit.name,
            value: reach.limit.value,
            reached,
            earliest,
            likely,
            latest,
        }
    }
}

impl From<&Point> for PointView {
    fn from(point: &Point) -> Self {
        let [narrow, wide]: [Band; 2] = [point.within_80, point.within_95];
        Self {
            at: point.at,
            value: point.value,
            lower80: narrow.lower,
            upper80: narrow.upper,
            lower95: wide.lower,
            upper95: wide.upper,
        }
    }
}

impl LackView {
    pub(super) fn all(too_little: TooLittle) -> Vec<Self> {
        let days = |span: time::Duration| span.as_seconds_f64() / 86_400.0;
        let lacks = too_little.missing.into_iter();
        lacks
            .map(|lack| match lack {
                Lack::Time { has, needs } => Self {
                    missing: "time",
                    has: days(has),
                    needs: days(needs),
                },
                Lack::Values { missing, allowed } => Self {
                    missing: "values",
                    has: 1.0 - missing,
                    needs: 1.0 - allowed,
                },
            })
            .collect()
    }
}
