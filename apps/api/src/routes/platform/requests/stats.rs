use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::LatencySketch;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{LatencyView, per_second, ratio};
use crate::Services;
use crate::authentication::Operator;
use crate::middleware::RequestTimes;

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
    /// For how long was counted: since the start of this process.
    seconds: f64,
    #[schema(required = true, minimum = 0)]
    requests_per_second: Option<f64>,
    /// Answers with a status from 500, as a part of all.
    #[schema(required = true, minimum = 0, maximum = 1)]
    error_ratio: Option<f64>,
    /// How many answers had which status.
    statuses: BTreeMap<u16, u64>,
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
    failed: u64,
    /// Returned or changed.
    rows: u64,
    /// Of one statement.
    latency: LatencyView,
}

impl StatsView {
    fn new(times: &RequestTimes, database: DatabaseView) -> Self {
        let mut all = LatencySketch::default();
        let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
        for (series, times) in times.all() {
            all.merge(&times.sketch);
            *statuses.entry(series.status).or_default() += times.sketch.count();
        }
        let failed = statuses.range(500..).map(|(_, count)| count).sum();
        let span = times.age();
        Self {
            seconds: span.as_secs_f64(),
            requests_per_second: per_second(all.count(), span),
            error_ratio: ratio(failed, all.count()),
            statuses,
            latency: LatencyView::from(&all),
            database,
        }
    }
}

impl DatabaseView {
    fn new(services: &Services, span: Duration) -> Self {
        let mut all = LatencySketch::default();
        let (mut failed, mut rows) = (0, 0);
        for report in services.statements.statements() {
            all.merge(&report.times);
            failed += report.failed;
            rows += report.rows;
        }
        Self {
            statements_per_second: per_second(all.count(), span),
            failed,
            rows,
            latency: LatencyView::from(&all),
        }
    }
}

/// Tell how requests and statements fare altogether.
#[utoipa::path(
    tag = "platform",
    operation_id = "getPerformanceStats",
    responses((status = 200, description = "Since this process started.", body = StatsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/stats")]
pub(super) async fn stats(services: web::Data<Services>, _operator: Operator) -> HttpResponse {
    let database = DatabaseView::new(&services, services.times.age());
    HttpResponse::Ok().json(StatsView::new(&services.times, database))
}
