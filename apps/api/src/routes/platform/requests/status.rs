use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::Services;
use crate::authentication::Operator;
use crate::performance::counted::Counted;
use crate::units::milliseconds;

/// Whether what is told of performance can be relied on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PerformanceStatus, example = json!({
    "isRecording": true, "countingForSeconds": 3600.0, "intervalSeconds": 60.0, "writtenAt": "2026-11-22T10:00:00Z", "failingSince": null,
    "routes": 41, "statements": 122, "slowRequests": 57, "slowRequestMs": 200.0,
}))]
struct StatusView {
    /// Whether requests and statements are measured at all (`performance.recording`).
    is_recording: bool,
    /// How long this process has counted: since its start, or the last reset.
    counting_for_seconds: f64,
    /// How often it writes down what it has measured.
    interval_seconds: f64,
    /// Up to when that is written; `null` before the first time.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    written_at: Option<OffsetDateTime>,
    /// Since when it cannot be; `null` when it can. It is kept until then, and written as one longer interval.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    failing_since: Option<OffsetDateTime>,
    /// How many it tells apart, by method, pattern and status.
    routes: usize,
    /// How many it tells apart.
    statements: usize,
    /// How many are kept with what they spent their time on.
    slow_requests: usize,
    /// Requests that take longer are kept.
    slow_request_ms: f64,
}

/// Tell whether performance is measured, and how far it is written down.
#[utoipa::path(
    tag = "platform",
    operation_id = "getPerformanceStatus",
    responses((status = 200, description = "Of this process.", body = StatusView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/status")]
pub(super) async fn status(services: web::Data<Services>, _operator: Operator) -> HttpResponse {
    let lately = services.performance.lately();
    let counted = Counted::of(&services);
    HttpResponse::Ok().json(StatusView {
        is_recording: services.performance.settings.recording,
        counting_for_seconds: counted.span.as_secs_f64(),
        interval_seconds: services.performance.settings.interval.as_secs_f64(),
        written_at: lately.written_at,
        failing_since: lately.failing_since,
        routes: counted.times.len(),
        statements: counted.statements.len(),
        slow_requests: services.slow.all().len(),
        slow_request_ms: milliseconds(services.settings.slow_request),
    })
}
