use actix_web::{HttpResponse, get, web};
use fairlead_domain::cache::{CacheReport, Counts, KeyReport, TagReport};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::{CountsView, TenantView};
use super::{NoCache, control};
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::spec::Problems;

/// How many requests for answers were spared a load, from several sides.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheHitRate, example = json!({
    "total": {
        "requests": 1000, "hits": 950, "hitRatio": 0.95, "memoryHits": 898, "sharedHits": 50, "stale": 2,
        "degraded": 0, "loads": 40, "joined": 10, "failed": 0,
    },
    "levels": [{"level": "memory", "hitRatio": 0.9}, {"level": "shared", "hitRatio": 0.5}],
    "namespaces": [{"namespace": "leads.list", "counts": {
        "requests": 800, "hits": 780, "hitRatio": 0.975, "memoryHits": 780, "sharedHits": 0, "stale": 0,
        "degraded": 0, "loads": 20, "joined": 0, "failed": 0,
    }}],
    "tags": [{"tag": "leads", "hits": 780, "misses": 20, "bumps": 9, "hitRatio": 0.975}],
    "keys": [{
        "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001", "key": "leads.list?status=NEW", "hits": 480, "misses": 3,
        "hitRatio": 0.99,
    }],
    "tenants": [],
}))]
struct HitRateView {
    total: CountsView,
    levels: Vec<LevelView>,
    namespaces: Vec<NamespaceView>,
    /// By what answers depend on: many misses and many bumps mean that it changes faster than it is read.
    tags: Vec<TagView>,
    /// The fifty keys that are asked for most, most first: each since it is one of those that are watched.
    keys: Vec<KeyView>,
    /// The tenants that ask most, most first.
    tenants: Vec<TenantView>,
}

/// One answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheKeyHitRate)]
struct KeyView {
    tenant_id: Uuid,
    key: String,
    /// Counted in lots; up to fifteen more may have been.
    #[schema(minimum = 0)]
    hits: u64,
    /// Requests that waited for a load.
    #[schema(minimum = 0)]
    misses: u64,
    /// From 0 to 1; `null` when nothing was asked.
    #[schema(required = true, minimum = 0, maximum = 1)]
    hit_ratio: Option<f64>,
}

/// Of the requests that came to a level, those that it answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheLevelHitRate)]
struct LevelView {
    level: &'static str,
    /// From 0 to 1; `null` when nothing was asked of it.
    #[schema(required = true, minimum = 0, maximum = 1)]
    hit_ratio: Option<f64>,
}

/// Answers of one kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CacheNamespaceHitRate)]
struct NamespaceView {
    namespace: &'static str,
    counts: CountsView,
}

/// Answers that depend on one kind of thing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheTagHitRate)]
struct TagView {
    tag: &'static str,
    #[schema(minimum = 0)]
    hits: u64,
    #[schema(minimum = 0)]
    misses: u64,
    /// How often a change has dropped them that this process has made.
    #[schema(minimum = 0)]
    bumps: u64,
    /// From 0 to 1; `null` when nothing was asked.
    #[schema(required = true, minimum = 0, maximum = 1)]
    hit_ratio: Option<f64>,
}

impl From<&CacheReport> for HitRateView {
    fn from(report: &CacheReport) -> Self {
        let total = report.total();
        let namespaces = report.namespaces.iter().map(|(namespace, counts)| NamespaceView {
            namespace: namespace.as_str(),
            counts: CountsView::from(counts),
        });
        let tenants = report.tenants.iter();
        Self {
            total: CountsView::from(&total),
            levels: levels(&total, report.shared.is_some()),
            namespaces: namespaces.collect(),
            tags: report.tags.iter().map(TagView::from).collect(),
            keys: report.keys.iter().map(KeyView::from).collect(),
            tenants: tenants
                .map(|(tenant, report)| TenantView::new(Some(tenant.as_uuid()), report))
                .collect(),
        }
    }
}

fn levels(total: &Counts, is_shared: bool) -> Vec<LevelView> {
    let past_memory = total.requests() - total.hits_in_memory();
    vec![
        LevelView {
            level: "memory",
            hit_ratio: ratio(total.hits_in_memory(), total.requests()),
        },
        LevelView {
            level: "shared",
            hit_ratio: ratio(total.hits_in_shared(), past_memory).filter(|_| is_shared),
        },
    ]
}

impl From<&KeyReport> for KeyView {
    fn from(report: &KeyReport) -> Self {
        Self {
            tenant_id: report.tenant.as_uuid(),
            key: report.key.to_string(),
            hits: report.hits,
            misses: report.misses,
            hit_ratio: ratio(report.hits, report.hits + report.misses),
        }
    }
}

impl From<&TagReport> for TagView {
    fn from(tag: &TagReport) -> Self {
        Self {
            tag: tag.kind,
            hits: tag.hits,
            misses: tag.misses,
            bumps: tag.bumps,
            hit_ratio: ratio(tag.hits, tag.hits + tag.misses),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Tell how many requests were spared a load: by level, kind, tag, key and tenant.
#[utoipa::path(
    tag = "platform",
    operation_id = "getCacheHitRate",
    responses(
        (status = 200, description = "Since this process started.", body = HitRateView),
        Problems<NoCache>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/cache/hit-rate")]
pub(super) async fn hit_rate(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let report = control(&services)?.report();
    Ok(HttpResponse::Ok().json(HitRateView::from(&report)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shared_level_answers_after_its_time_is_its_hit_too() {
        let total = Counts {
            memory_hits: 5,
            shared_hits: 1,
            stale: 4,
            shared_stale: 3,
            loads: 7,
            ..Counts::default()
        };

        let ratios = levels(&total, true).into_iter().map(|level| level.hit_ratio);

        // 6 of 17, and 4 of the 11 that were left.
        assert!(ratios.eq([Some(6.0 / 17.0), Some(4.0 / 11.0)]));
    }
}
