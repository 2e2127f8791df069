use std::time::Duration;

use fairlead_domain::performance::{Fingerprint, LatencySketch, StatementMeters};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::middleware::{SlowRequest, Spent};
use crate::units::milliseconds;

/// How long something took. Quantiles are off by at most 1/32, or by a microsecond where that is more; all else is exact.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Latency, example = json!({
    "count": 91_500, "meanMs": 1.84, "p50Ms": 1.3, "p75Ms": 1.9, "p90Ms": 3.1, "p95Ms": 4.4, "p99Ms": 11.8, "maxMs": 201.7,
}))]
pub(super) struct LatencyView {
    count: u64,
    /// `null`, as all that follow, when there were none.
    #[schema(required = true, minimum = 0)]
    mean_ms: Option<f64>,
    #[schema(required = true, minimum = 0)]
    p50_ms: Option<f64>,
    #[schema(required = true, minimum = 0)]
    p75_ms: Option<f64>,
    #[schema(required = true, minimum = 0)]
    p90_ms: Option<f64>,
    #[schema(required = true, minimum = 0)]
    p95_ms: Option<f64>,
    #[schema(required = true, minimum = 0)]
    p99_ms: Option<f64>,
    #[schema(required = true, minimum = 0)]
    max_ms: Option<f64>,
}

impl From<&LatencySketch> for LatencyView {
    fn from(times: &LatencySketch) -> Self {
        let quantile = |of_thousand| times.quantile(of_thousand).map(milliseconds);
        Self {
            count: times.count(),
            mean_ms: times.mean().map(milliseconds),
            p50_ms: quantile(500),
            p75_ms: quantile(750),
            p90_ms: quantile(900),
            p95_ms: quantile(950),
            p99_ms: quantile(990),
            max_ms: times.longest().map(milliseconds),
        }
    }
}

/// A request that took long, and what it spent its time on. Parts of it may have gone side by side.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SlowRequest, example = json!({
    "requestId": "b7c1", "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "at": "2026-11-22T10:00:00Z", "method": "GET",
    "route": "/api/v1/leads", "path": "/api/v1/leads", "status": 200, "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001",
    "tookMs": 314.2, "isSlow": true,
    "spent": {
        "admissionMs": 0.2, "poolWaitMs": 251.9, "databaseMs": 58.4, "roundTrips": 1, "sharedCacheMs": 0.0,
        "upstreamsMs": 0.0, "serialisationMs": 1.1, "restMs": 2.6,
        "statements": [{
            "fingerprint": "9ae16a3b2f90404f", "text": "SELECT \"leads\".\"id\"", "calls": 1, "rows": 50, "timeMs": 58.4,
        }],
    },
}))]
pub(super) struct SlowRequestView {
    /// Clients may choose it: then there can be several of the same.
    request_id: String,
    trace_id: String,
    /// When it was answered.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    method: String,
    /// The pattern of its route; `null` where there is none.
    #[schema(required = true)]
    route: Option<String>,
    /// Without the query.
    path: String,
    status: u16,
    /// Whose it was; `null` of operators, and of what is public.
    #[schema(required = true)]
    tenant_id: Option<Uuid>,
    took_ms: f64,
    /// Whether it took longer than `http.slow_request_ms`; if not, it is the slowest of its route within the hour.
    is_slow: bool,
    spent: SpentView,
}

/// What a request spent its time on, as far as it was measured. How long it waited before the server read it is not known.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SlowRequestParts)]
struct SpentView {
    /// Until it was let in and known whose it is, which may take a statement; 0 of one that was not let in.
    admission_ms: f64,
    /// Waits for connections to the database.
    pool_wait_ms: f64,
    /// Statements, from their sending to their last row.
    database_ms: f64,
    /// Waits for the database, whatever was sent.
    round_trips: u64,
    /// Commands to Redis.
    shared_cache_ms: f64,
    /// Calls to services of others.
    upstreams_ms: f64,
    /// Writing JSON of what was read, and compressing answers.
    serialisation_ms: f64,
    /// What is left of the whole, at least: all other work, and waiting for a processor.
    rest_ms: f64,
    /// By statement, in the order of their first calls; of more than 32 the last is all others together.
    statements: Vec<SlowStatementView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SlowRequestStatement)]
struct SlowStatementView {
    fingerprint: String,
    /// Without values; `null` where several are told of as one.
    #[schema(required = true)]
    text: Option<Box<str>>,
    calls: u32,
    /// Returned or changed.
    rows: u64,
    time_ms: f64,
}

impl SlowRequestView {
    pub(super) fn new(request: &SlowRequest, statements: &dyn StatementMeters) -> Self {
        let Spent {
            admission,
            pool_wait,
            database,
            round_trips,
            shared_cache,
            upstreams,
            serialisation,
            statements: costs,
        } = &request.spent;
        let costs = costs.iter().map(|cost| SlowStatementView {
            fingerprint: cost.fingerprint.to_string(),
            text: told_apart(cost.fingerprint).and_then(|known| statements.text(known)),
            calls: cost.calls,
            rows: cost.rows,
            time_ms: milliseconds(cost.time),
        });
        Self {
            request_id: request.request_id.clone(),
            trace_id: request.trace_id.clone(),
            at: request.at,
            method: request.method.to_string(),
            route: (!request.route.is_empty()).then(|| request.route.to_string()),
            path: request.path.clone(),
            status: request.status,
            tenant_id: request.tenant.map(fairlead_domain::Id::as_uuid),
            took_ms: milliseconds(request.took),
            is_slow: request.is_slow,
            spent: SpentView {
                admission_ms: milliseconds(*admission),
                pool_wait_ms: milliseconds(*pool_wait),
                database_ms: milliseconds(*database),
                round_trips: *round_trips,
                shared_cache_ms: milliseconds(*shared_cache),
                upstreams_ms: milliseconds(*upstreams),
                serialisation_ms: milliseconds(*serialisation),
                rest_ms: milliseconds(request.took.saturating_sub(request.known())),
                statements: costs.collect(),
            },
        }
    }
}

/// Of statements that are not told apart, there is no one text.
fn told_apart(fingerprint: Fingerprint) -> Option<Fingerprint> {
    (fingerprint != Fingerprint::OTHERS).then_some(fingerprint)
}

/// How many in a second; `None` of no time at all.
#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
pub(super) fn per_second(count: u64, span: Duration) -> Option<f64> {
    (!span.is_zero()).then(|| count as f64 / span.as_secs_f64())
}

/// `None` of nothing.
#[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
