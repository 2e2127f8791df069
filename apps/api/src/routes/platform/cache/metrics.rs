use actix_web::{HttpResponse, get, web};
use fairlead_domain::cache::{CacheReport, HotKey, MemoryReport, SharedReport};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::{CountsView, TenantView, TimesView};
use super::{NoCache, control};
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::units::milliseconds;

/// What the cache of this process has done since it started.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheMetrics, example = json!({
    "total": {
        "requests": 1000, "hits": 950, "hitRatio": 0.95, "memoryHits": 900, "sharedHits": 48, "stale": 2,
        "degraded": 0, "loads": 40, "joined": 10, "failed": 0,
    },
    "memory": {
        "entries": 412, "usedBytes": 9_800_000, "capacityBytes": 67_108_864, "utilisation": 0.146,
        "tenantBytes": 1_048_576, "evictedForRoom": 0, "expired": 31, "replaced": 12, "removed": 3,
    },
    "shared": {
        "isTrusted": true, "writes": 40, "refusedWrites": 0, "failures": 0, "outages": 0, "gaps": 0, "owedBumps": 0,
    },
    "times": [
        {"operation": "memory_read", "count": 56, "sumMs": 0.1, "p50Ms": 0.001, "p95Ms": 0.003, "p99Ms": 0.004, "maxMs": 0.005},
    ],
    "tenants": [], "otherTenants": {
        "tenantId": null, "entries": 0, "ownBytes": 0, "commonBytes": 0, "bumps": 0, "savedMs": 0.0, "counts": {
            "requests": 0, "hits": 0, "hitRatio": null, "memoryHits": 0, "sharedHits": 0, "stale": 0, "degraded": 0,
            "loads": 0, "joined": 0, "failed": 0,
        },
    },
    "hottestKeys": [{
        "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001", "key": "leads.list?status=NEW", "savedMs": 5120.0,
        "errorMs": 0.0,
    }],
    "refusedFills": 0,
}))]
struct MetricsView {
    total: CountsView,
    memory: MemoryView,
    /// `null` when there is no Redis.
    #[schema(required = true)]
    shared: Option<SharedView>,
    times: Vec<TimesView>,
    /// The tenants that ask most, most first.
    tenants: Vec<TenantView>,
    other_tenants: TenantView,
    /// The keys that saved the most time of the database, most first.
    hottest_keys: Vec<HotKeyView>,
    /// Loads that were not kept because something they depend on changed meanwhile.
    #[schema(minimum = 0)]
    refused_fills: u64,
}

/// The memory for answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheMemory)]
struct MemoryView {
    #[schema(minimum = 0)]
    entries: u64,
    #[schema(minimum = 0)]
    used_bytes: u64,
    #[schema(minimum = 0)]
    capacity_bytes: u64,
    /// `usedBytes` by `capacityBytes`.
    #[schema(minimum = 0)]
    utilisation: f64,
    /// What each tenant has to itself now.
    #[schema(minimum = 0)]
    tenant_bytes: u64,
    /// Answers that left it to make room for others.
    #[schema(minimum = 0)]
    evicted_for_room: u64,
    /// Those whose time was over.
    #[schema(minimum = 0)]
    expired: u64,
    /// Those that were loaded anew.
    #[schema(minimum = 0)]
    replaced: u64,
    /// Those that were taken out before their time, because they had changed or were gone.
    #[schema(minimum = 0)]
    removed: u64,
}

/// The level that processes share.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheShared)]
struct SharedView {
    /// Whether it answers, and the changes of other processes are heard.
    is_trusted: bool,
    #[schema(minimum = 0)]
    writes: u64,
    /// Answers that were not written because something they depend on changed meanwhile.
    #[schema(minimum = 0)]
    refused_writes: u64,
    #[schema(minimum = 0)]
    failures: u64,
    /// How often it was left alone because it failed.
    #[schema(minimum = 0)]
    outages: u64,
    /// How often messages of other processes were missed.
    #[schema(minimum = 0)]
    gaps: u64,
    /// Bumps that it has not been told yet.
    #[schema(minimum = 0)]
    owed_bumps: u64,
}

/// A key that is worth keeping.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheHotKey)]
struct HotKeyView {
    tenant_id: Uuid,
    key: String,
    /// Time of the database that its hits made unnecessary.
    #[schema(minimum = 0)]
    saved_ms: f64,
    /// How much of `savedMs` may be that of keys that it displaced from the list.
    #[schema(minimum = 0)]
    error_ms: f64,
}

impl From<&CacheReport> for MetricsView {
    fn from(report: &CacheReport) -> Self {
        let tenants = report.tenants.iter();
        Self {
            total: CountsView::from(&report.total()),
            memory: MemoryView::from(&report.memory),
            shared: report.shared.as_ref().map(SharedView::from),
            times: report.times.iter().map(TimesView::from).collect(),
            tenants: tenants
                .map(|(tenant, report)| TenantView::new(Some(tenant.as_uuid()), report))
                .collect(),
            other_tenants: TenantView::new(None, &report.other_tenants),
            hottest_keys: report.hottest.iter().map(HotKeyView::from).collect(),
            refused_fills: report.refused_fills,
        }
    }
}

impl From<&MemoryReport> for MemoryView {
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
    fn from(memory: &MemoryReport) -> Self {
        Self {
            entries: memory.entries,
            used_bytes: memory.used_bytes,
            capacity_bytes: memory.capacity_bytes,
            utilisation: memory.used_bytes as f64 / memory.capacity_bytes.max(1) as f64,
            tenant_bytes: memory.tenant_bytes,
            evicted_for_room: memory.evicted_for_room,
            expired: memory.expired,
            replaced: memory.replaced,
            removed: memory.removed,
        }
    }
}

impl From<&SharedReport> for SharedView {
    fn from(shared: &SharedReport) -> Self {
        Self {
            is_trusted: shared.is_trusted,
            writes: shared.writes,
            refused_writes: shared.refused_writes,
            failures: shared.failures,
            outages: shared.outages,
            gaps: shared.gaps,
            owed_bumps: shared.owed_bumps,
        }
    }
}

impl From<&HotKey> for HotKeyView {
    fn from(hot: &HotKey) -> Self {
        Self {
            tenant_id: hot.tenant.as_uuid(),
            key: hot.key.to_string(),
            saved_ms: milliseconds(hot.saved),
            error_ms: milliseconds(hot.error),
        }
    }
}

/// Tell what the cache of this process has done since it started.
#[utoipa::path(
    tag = "platform",
    operation_id = "getCacheMetrics",
    responses(
        (status = 200, description = "Hits, sizes, times, and what they save.", body = MetricsView),
        Problems<NoCache>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/cache/metrics")]
pub(super) async fn metrics(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let report = control(&services)?.report();
    Ok(HttpResponse::Ok().json(MetricsView::from(&report)))
}
