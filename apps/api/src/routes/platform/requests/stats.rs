use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::{Figures, LatencySketch, Sample, Series, SeriesKind};
use fairlead_domain::store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use super::period::{Period, PeriodParameters, PeriodQuery};
use super::view::{LatencyView, per_second, ratio};
use crate::Services;
use crate::authentication::Operator;
use crate::performance::counted::Counted;
use crate::problem::Problem;
use crate::query::QueryOf;

/// How requests fare altogether.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PerformanceStats, example = json!({
    "seconds": 3600.0, "requestsPerSecond": 25.4, "errorRatio": 0.0, "statuses": {"200": 91_500},
    "latency": {
        "count": 91_500, "meanMs": 1.84, "p50Ms": 1.3, "p75Ms": 1.9, "p90Ms": 3.1, "p95Ms": 4.4, "p99Ms": 11.8,
        "maxMs": 201.7,
    },
    "database": {
        "statementsPerSecond": 0.34, "failed": 0, "rows": 60_500, "latency": {
            "count": 1_210, "meanMs": 2.4, "p50Ms": 2.1, "p75Ms": 2.6, "p90Ms": 3.3, "p95Ms": 4.1, "p99Ms": 9.9,
            "maxMs": 30.2,
        },
    },
}))]
struct StatsView {
    /// For how long was counted: since the start of this process or the last reset, or for as much of the period as something
    /// is known of.
    seconds: f64,
    #[schema(required = true, minimum = 0)]
    requests_per_second: Option<f64>,
    /// Answers with a status from 500, as a part of all.
    #[schema(required = true, minimum = 0, maximum = 1)]
    error_ratio: Option<f64>,
    /// How many answers had which status; of a period, by its class: `2xx`.
    statuses: BTreeMap<String, u64>,
    latency: LatencyView,
    database: DatabaseView,
}

/// Statements of requests and of background work.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DatabaseStats)]
struct DatabaseView {
    #[schema(required = true, minimum = 0)]
    statements_per_second: Option<f64>,
    /// `null` of a period: it is not kept.
    #[schema(required = true)]
    failed: Option<u64>,
    /// Returned or changed; `null` of a period.
    #[schema(required = true)]
    rows: Option<u64>,
    /// Of one statement.
    latency: LatencyView,
}

impl StatsView {
    /// Of this process.
    fn of(counted: &Counted) -> Self {
        let (mut all, mut failed) = (LatencySketch::default(), 0);
        let mut statuses: BTreeMap<String, u64> = BTreeMap::new();
        for (series, times) in &counted.times {
            all.merge(&times.sketch);
            let count = times.sketch.count();
            *statuses.entry(series.status.to_string()).or_default() += count;
            if series.status >= 500 {
                failed += count;
            }
        }
        let mut statements = LatencySketch::default();
        for report in &counted.statements {
            statements.merge(&report.times);
        }
        let reports = || counted.statements.iter();
        let database = DatabaseView {
            statements_per_second: per_second(statements.count(), counted.span),
            failed: Some(reports().map(|report| report.failed).sum()),
            rows: Some(reports().map(|report| report.rows).sum()),
            latency: LatencyView::from(&statements),
        };
        Self::new(counted.span, &all, failed, statuses, database)
    }

    /// Of all processes.
    async fn of_period(services: &Services, period: Period) -> Result<Self, StoreError> {
        let now = services.clock.now();
        let (mut all, mut statements, mut failed) = (LatencySketch::default(), LatencySketch::default(), 0);
        let mut statuses: BTreeMap<String, u64> = BTreeMap::new();
        let mut oldest = now;
        let mut each = |sample: &Sample| {
            oldest = oldest.min(sample.at);
            match (&sample.series, &sample.figures) {
                (Series::Route(route), Figures::Times(times)) => {
                    all.merge(times);
                    *statuses.entry(format!("{}xx", route.class)).or_default() += times.count();
                    if route.class >= 5 {
                        failed += times.count();
                    }
                }
                (Series::Statements, Figures::Times(times)) => statements.merge(times),
                _ => {}
            }
        };
        let samples = &services.performance.samples;
        let kinds = [SeriesKind::Route, SeriesKind::Statements];
        samples.read(now - period.span(), now, &kinds, &mut each).await?;
        let span = (now - oldest).unsigned_abs();
        let database = DatabaseView {
            statements_per_second: per_second(statements.count(), span),
            failed: None,
            rows: None,
            latency: LatencyView::from(&statements),
        };
        Ok(Self::new(span, &all, failed, statuses, database))
    }

    fn new(
        span: Duration,
        all: &LatencySketch,
        failed: u64,
        statuses: BTreeMap<String, u64>,
        database: DatabaseView,
    ) -> Self {
        Self {
            seconds: span.as_secs_f64(),
            requests_per_second: per_second(all.count(), span),
            error_ratio: ratio(failed, all.count()),
            statuses,
            latency: LatencyView::from(all),
            database,
        }
    }
}

/// Tell how requests and statements fare altogether.
#[utoipa::path(
    tag = "platform",
    operation_id = "getPerformanceStats",
    params(PeriodParameters),
    responses((status = 200, description = "Of this process, or of a period.", body = StatsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/stats")]
pub(super) async fn stats(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<PeriodQuery>,
) -> Result<HttpResponse, Problem> {
    let view = match query.0.0 {
        None => StatsView::of(&Counted::of(&services)),
        Some(period) => StatsView::of_period(&services, period).await?,
    };
    Ok(HttpResponse::Ok().json(view))
}
