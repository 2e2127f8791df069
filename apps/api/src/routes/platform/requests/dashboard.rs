use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::bottlenecks::find;
use fairlead_telemetry::process;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::super::alerts::view::AlertView;
use super::view::{LatencyView, per_second, ratio};
use crate::Services;
use crate::authentication::Operator;
use crate::performance::alerts::Seen;
use crate::performance::{Interval, Performance};

/// How this process fares now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PerformanceDashboard, example = json!({
    "at": "2026-11-22T10:00:00Z",
    "interval": {
        "beganAt": "2026-11-22T09:58:30Z", "seconds": 60.0, "requestsPerSecond": 25.4, "errorRatio": 0.0, "processors": 0.31,
        "requests": {
            "count": 1_524, "meanMs": 1.84, "p50Ms": 1.3, "p75Ms": 1.9, "p90Ms": 3.1, "p95Ms": 4.4, "p99Ms": 11.8,
            "maxMs": 201.7,
        },
        "statements": {
            "count": 41, "meanMs": 2.4, "p50Ms": 2.1, "p75Ms": 2.6, "p90Ms": 3.3, "p95Ms": 4.1, "p99Ms": 9.9, "maxMs": 30.2,
        },
    },
    "residentBytes": 41_000_000, "openFiles": 61,
    "pools": [{"node": "primary", "role": "app", "active": 2, "max": 20, "waiting": 0, "timeouts": 0}],
    "cache": {"hitRatio": 0.95, "entries": 1_204, "usedBytes": 8_100_000, "maxBytes": 67_108_864},
    "webSockets": 12, "streams": 3,
    "alerts": {"at": "2026-11-22T09:59:40Z", "active": [{
        "id": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "rule": "response-time", "metric": "responseP95Ms",
        "state": "active", "severity": "warning", "since": "2026-11-22T09:50:00Z", "openedAt": "2026-11-22T09:55:00Z",
        "resolvedAt": null, "value": 212.5, "worst": 240.0, "isFlapping": false,
        "told": {"severity": "warning", "since": "2026-11-22T09:55:00Z"}, "acknowledgedAt": null,
        "acknowledgedBy": null, "silencedUntil": null,
    }]},
    "recommendations": [{
        "cause": "slow-query", "name": "9ae16a3b2f90404f", "ratio": 0.61, "act": "add-index",
        "text": "look at its plan for an index that it lacks",
    }],
}))]
pub(super) struct DashboardView {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// The last interval of measuring that is over; `null` before the first.
    #[schema(required = true)]
    interval: Option<IntervalView>,
    /// `null` where the system does not tell.
    #[schema(required = true)]
    resident_bytes: Option<u64>,
    #[schema(required = true)]
    open_files: Option<u64>,
    pools: Vec<PoolView>,
    /// `null`: this process keeps no answers.
    #[schema(required = true)]
    cache: Option<CacheView>,
    web_sockets: u64,
    streams: u64,
    /// What is wrong, of all processes; `null`: this process has not looked yet.
    #[schema(required = true)]
    alerts: Option<AlertsView>,
    /// What would help with what held requests up within the interval: the worst first, and none where all is well.
    recommendations: Vec<RecommendationView>,
}

/// What is wrong, as it was seen last.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DashboardAlerts)]
struct AlertsView {
    /// When that was.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// The newest first.
    active: Vec<AlertView>,
}

/// What would help; `listBottlenecks` has what says so.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recommendation)]
struct RecommendationView {
    cause: &'static str,
    /// Which one; `null` where there is one only.
    #[schema(required = true)]
    name: Option<String>,
    /// The part of the time of all requests that it takes; of a resource, how much of it is used.
    #[schema(minimum = 0)]
    ratio: f64,
    act: &'static str,
    text: String,
}

/// What was measured within an interval.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PerformanceInterval)]
struct IntervalView {
    #[serde(with = "time::serde::rfc3339")]
    began_at: OffsetDateTime,
    seconds: f64,
    #[schema(required = true, minimum = 0)]
    requests_per_second: Option<f64>,
    #[schema(required = true, minimum = 0, maximum = 1)]
    error_ratio: Option<f64>,
    requests: LatencyView,
    statements: LatencyView,
    /// How many processors were busy with this process; `null` where the system does not tell.
    #[schema(required = true, minimum = 0)]
    processors: Option<f64>,
}

/// The connections to one server as one role, now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DashboardPool)]
struct PoolView {
    node: String,
    role: &'static str,
    active: u32,
    max: u32,
    waiting: u32,
    /// Since the start.
    timeouts: u64,
}

/// The answers that this process keeps.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DashboardCache)]
struct CacheView {
    /// Since the start; `null` when nothing was asked for.
    #[schema(required = true, minimum = 0, maximum = 1)]
    hit_ratio: Option<f64>,
    entries: u64,
    used_bytes: u64,
    max_bytes: u64,
}

impl From<Interval> for IntervalView {
    fn from(interval: Interval) -> Self {
        let count = interval.requests.count();
        Self {
            began_at: interval.began_at,
            seconds: interval.span.as_secs_f64(),
            requests_per_second: per_second(count, interval.span),
            error_ratio: ratio(interval.failed, count),
            requests: LatencyView::from(&interval.requests),
            statements: LatencyView::from(&interval.statements),
            processors: interval.processors,
        }
    }
}

impl DashboardView {
    pub(super) fn new(services: &Services) -> Self {
        let usage = process::usage();
        let clients = services.connections.by_tenant();
        let cache = services.cache_control.as_ref().map(|cache| {
            let report = cache.report();
            let total = report.total();
            CacheView {
                hit_ratio: ratio(total.hits(), total.requests()),
                entries: report.memory.entries,
                used_bytes: report.memory.used_bytes,
                max_bytes: report.memory.capacity_bytes,
            }
        });
        let pools = services.nodes.nodes().into_iter().flat_map(|node| {
            let name = node.name.to_string();
            node.pools.into_iter().map(move |pool| PoolView {
                node: name.clone(),
                role: pool.role,
                active: pool.active,
                max: pool.max,
                waiting: pool.waiting,
                timeouts: pool.timeouts,
            })
        });
        Self {
            at: services.clock.now(),
            interval: services.performance.lately().interval.map(IntervalView::from),
            resident_bytes: usage.resident_bytes,
            open_files: usage.open_files,
            pools: pools.collect(),
            cache,
            web_sockets: clients.iter().map(|of| of.sockets).sum(),
            streams: clients.iter().map(|of| of.streams).sum(),
            alerts: services.performance.active_alerts.seen().map(AlertsView::from),
            recommendations: recommendations(services),
        }
    }
}

impl From<Seen> for AlertsView {
    fn from(Seen { at, alerts, silenced }: Seen) -> Self {
        let active = alerts.into_iter().map(|alert| {
            let until = silenced.get(&alert.rule).copied();
            AlertView::new(alert, until)
        });
        Self {
            at,
            active: active.collect(),
        }
    }
}

fn recommendations(services: &Services) -> Vec<RecommendationView> {
    let evidence = Performance::evidence(services);
    let found = evidence.as_ref().map(find).unwrap_or_default();
    let all = found.into_iter().map(|bottleneck| RecommendationView {
        cause: bottleneck.cause.kind(),
        name: bottleneck.cause.name().map(str::to_owned),
        ratio: bottleneck.impact.share,
        act: bottleneck.advice.act.as_str(),
        text: bottleneck.advice.text,
    });
    all.collect()
}

/// Tell how this process fares now, at a glance.
#[utoipa::path(
    tag = "platform",
    operation_id = "getPerformanceDashboard",
    responses((status = 200, description = "Of this process; nothing is asked of the database.", body = DashboardView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/dashboard")]
pub(super) async fn dashboard(services: web::Data<Services>, _operator: Operator) -> HttpResponse {
    HttpResponse::Ok().json(DashboardView::new(&services))
}
