use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::SeriesKind;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::changes::ChangesView;
use super::history::History;
use super::period::{Period, PeriodName};
use super::sum::Sum;
use super::view::LatencyView;
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::units::milliseconds;

/// What a [`TrendsQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents parameters")]
struct TrendsParameters {
    /// How far to look back.
    #[param(nullable = false, inline, default = "day")]
    period: Option<PeriodName>,
}

#[derive(Debug)]
struct TrendsQuery(Period);

impl FromQuery for TrendsQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self(Period::read(query).unwrap_or(Period::Day))
    }
}

/// How requests, the database and the processes have fared over time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Trends, example = json!({
    "period": "hour", "since": "2026-11-22T09:00:00Z", "until": "2026-11-22T10:00:00Z", "stepSeconds": 120,
    "now": {"requests": 91_500, "errorRatio": 0.0, "p50Ms": 1.3, "p95Ms": 4.4, "p99Ms": 11.8},
    "before": {"requests": 90_100, "errorRatio": 0.0, "p50Ms": 1.3, "p95Ms": 2.9, "p99Ms": 11.1},
    "changes": {
        "p95Ms": {"verdict": "worse", "before": 2.9, "after": 4.4, "relative": 0.517, "pValue": 0.00001},
        "errorRatio": {"verdict": "unknown", "before": 0.0, "after": 0.0, "relative": null, "pValue": null},
        "requests": {"verdict": "unchanged", "before": 3_003.0, "after": 3_050.0, "relative": 0.016, "pValue": 0.21},
    },
    "points": [{
        "at": "2026-11-22T09:00:00Z", "errorRatio": 0.0, "cacheHitRatio": 0.95, "processors": 0.31,
        "residentBytes": 41_000_000.0,
        "requests": {
            "count": 3_050, "meanMs": 1.84, "p50Ms": 1.3, "p75Ms": 1.9, "p90Ms": 3.1, "p95Ms": 4.4, "p99Ms": 11.8,
            "maxMs": 201.7,
        },
        "statements": {
            "count": 41, "meanMs": 2.4, "p50Ms": 2.1, "p75Ms": 2.6, "p90Ms": 3.3, "p95Ms": 4.1, "p99Ms": 9.9, "maxMs": 30.2,
        },
    }],
}))]
struct TrendsView {
    /// `hour`, `day`, `week` or `month`.
    period: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    until: OffsetDateTime,
    /// Between two points.
    step_seconds: u64,
    /// The period altogether.
    now: SummaryView,
    /// The one before it, as long; `null` when nothing is known of it.
    #[schema(required = true)]
    before: Option<SummaryView>,
    changes: ChangesView,
    /// The oldest first; those of which nothing is known are left out.
    points: Vec<PointView>,
}

/// How requests fared.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TrendsSummary)]
pub(super) struct SummaryView {
    pub(super) requests: u64,
    /// Answers with a status from 500, as a part of all.
    #[schema(required = true, minimum = 0, maximum = 1)]
    pub(super) error_ratio: Option<f64>,
    #[schema(required = true, minimum = 0)]
    pub(super) p50_ms: Option<f64>,
    #[schema(required = true, minimum = 0)]
    pub(super) p95_ms: Option<f64>,
    #[schema(required = true, minimum = 0)]
    pub(super) p99_ms: Option<f64>,
}

/// What was measured from a moment on, for as long as a step.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TrendsPoint)]
struct PointView {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    requests: LatencyView,
    #[schema(required = true, minimum = 0, maximum = 1)]
    error_ratio: Option<f64>,
    statements: LatencyView,
    /// Answers that were kept, as a part of those asked for that are; `null` when none were.
    #[schema(required = true, minimum = 0, maximum = 1)]
    cache_hit_ratio: Option<f64>,
    /// How many processors were busy with a process, on average; `null` when it is not known.
    #[schema(required = true, minimum = 0)]
    processors: Option<f64>,
    /// Memory of a process, on average; `null` when it is not known.
    #[schema(required = true, minimum = 0)]
    resident_bytes: Option<f64>,
}

impl From<&Sum> for SummaryView {
    fn from(sum: &Sum) -> Self {
        let quantile = |of_thousand| sum.requests.quantile(of_thousand).map(milliseconds);
        Self {
            requests: sum.requests.count(),
            error_ratio: sum.error_ratio(),
            p50_ms: quantile(500),
            p95_ms: sum.p95_ms(),
            p99_ms: quantile(990),
        }
    }
}

impl PointView {
    fn new(at: OffsetDateTime, sum: &Sum) -> Self {
        Self {
            at,
            requests: LatencyView::from(&sum.requests),
            error_ratio: sum.error_ratio(),
            statements: LatencyView::from(&sum.statements),
            cache_hit_ratio: sum.cache_hit_ratio(),
            processors: sum.processors.mean(),
            resident_bytes: sum.resident_bytes.mean(),
        }
    }
}

/// Tell how the platform has fared over time.
///
/// From what all processes have written down: by the interval of measuring for two days, by the hour for ninety, by the
/// day after that. What a process has measured since the last time it wrote is not in it.
#[utoipa::path(
    tag = "platform",
    operation_id = "getPerformanceTrends",
    params(TrendsParameters),
    responses((status = 200, description = "Of all processes.", body = TrendsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/trends")]
pub(super) async fn trends(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<TrendsQuery>,
) -> Result<HttpResponse, Problem> {
    let TrendsQuery(period) = query.0;
    let until = services.clock.now();
    let now = History::read(&services, until, period, &SeriesKind::ALL, Sum::add).await?;
    let routes = [SeriesKind::Route];
    let before = History::read(&services, now.since, period, &routes, Sum::add).await?;
    let summary = SummaryView::from(&Sum::of(&before));
    Ok(HttpResponse::Ok().json(TrendsView {
        period: period.as_str(),
        since: now.since,
        until,
        step_seconds: period.step().as_secs(),
        now: SummaryView::from(&Sum::of(&now)),
        before: (summary.requests > 0).then_some(summary),
        changes: ChangesView::new(&before, &now),
        points: now.steps().map(|(at, sum)| PointView::new(at, sum)).collect(),
    }))
}
