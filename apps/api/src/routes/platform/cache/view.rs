use fairlead_domain::cache::{Counts, TenantReport, Times};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::units::milliseconds;

/// What became of requests for answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheCounts, example = json!({
    "requests": 1000, "hits": 950, "hitRatio": 0.95, "memoryHits": 900, "sharedHits": 48, "stale": 2, "degraded": 0,
    "loads": 40, "joined": 10, "failed": 0,
}))]
pub(super) struct CountsView {
    #[schema(minimum = 0)]
    requests: u64,
    /// Answered without waiting for a load.
    #[schema(minimum = 0)]
    hits: u64,
    /// `hits` by `requests`, from 0 to 1; `null` when nothing was asked.
    #[schema(required = true, minimum = 0, maximum = 1)]
    hit_ratio: Option<f64>,
    /// From the memory of this process.
    #[schema(minimum = 0)]
    memory_hits: u64,
    /// From the level that processes share.
    #[schema(minimum = 0)]
    shared_hits: u64,
    /// Served after their time while they were loaded anew.
    #[schema(minimum = 0)]
    stale: u64,
    /// Served after their time because loading them failed.
    #[schema(minimum = 0)]
    degraded: u64,
    #[schema(minimum = 0)]
    loads: u64,
    /// Waited for the load of another request.
    #[schema(minimum = 0)]
    joined: u64,
    #[schema(minimum = 0)]
    failed: u64,
}

impl From<&Counts> for CountsView {
    fn from(counts: &Counts) -> Self {
        Self {
            requests: counts.requests(),
            hits: counts.hits(),
            hit_ratio: counts.hit_ratio(),
            memory_hits: counts.memory_hits,
            shared_hits: counts.shared_hits,
            stale: counts.stale,
            degraded: counts.degraded,
            loads: counts.loads,
            joined: counts.joined,
            failed: counts.failed,
        }
    }
}

/// What is kept of one tenant, and what it saves.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheTenant, example = json!({
    "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001", "entries": 12, "ownBytes": 80000, "commonBytes": 0, "bumps": 4,
    "savedMs": 812.5, "counts": {
        "requests": 100, "hits": 90, "hitRatio": 0.9, "memoryHits": 90, "sharedHits": 0, "stale": 0, "degraded": 0,
        "loads": 10, "joined": 0, "failed": 0,
    },
}))]
pub(super) struct TenantView {
    /// `null` for all tenants that are not listed by themselves.
    #[schema(required = true)]
    tenant_id: Option<Uuid>,
    #[schema(minimum = 0)]
    entries: u64,
    /// Bytes that no other tenant can push out.
    #[schema(minimum = 0)]
    own_bytes: u64,
    /// Bytes in the part that all tenants compete for.
    #[schema(minimum = 0)]
    common_bytes: u64,
    /// How often a change has dropped answers, whichever process has made it.
    #[schema(minimum = 0)]
    bumps: u64,
    /// Time of the database that hits made unnecessary.
    #[schema(minimum = 0)]
    saved_ms: f64,
    counts: CountsView,
}

impl TenantView {
    pub(super) fn new(tenant_id: Option<Uuid>, report: &TenantReport) -> Self {
        Self {
            tenant_id,
            entries: report.entries,
            own_bytes: report.own_bytes,
            common_bytes: report.common_bytes,
            bumps: report.bumps,
            saved_ms: milliseconds(report.saved),
            counts: CountsView::from(&report.counts),
        }
    }
}

/// How long operations of one kind took.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheTimes)]
pub(super) struct TimesView {
    operation: &'static str,
    /// How many were measured; of hits in memory, one in sixteen is.
    #[schema(minimum = 0)]
    count: u64,
    #[schema(minimum = 0)]
    sum_ms: f64,
    /// At most a quarter too high, like the others.
    #[schema(minimum = 0)]
    p50_ms: f64,
    #[schema(minimum = 0)]
    p95_ms: f64,
    #[schema(minimum = 0)]
    p99_ms: f64,
    #[schema(minimum = 0)]
    max_ms: f64,
}

impl From<&(&'static str, Times)> for TimesView {
    fn from((operation, times): &(&'static str, Times)) -> Self {
        Self {
            operation,
            count: times.count,
            sum_ms: milliseconds(times.sum),
            p50_ms: milliseconds(times.p50),
            p95_ms: milliseconds(times.p95),
            p99_ms: milliseconds(times.p99),
            max_ms: milliseconds(times.max),
        }
    }
}

/// What was dropped.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invalidated, example = json!({"invalidated": ["leads.list of every tenant"], "notes": []}))]
pub(super) struct InvalidatedView {
    /// In words, one for each thing.
    pub(super) invalidated: Vec<String>,
    /// What could not be made sure of.
    pub(super) notes: Vec<String>,
}
