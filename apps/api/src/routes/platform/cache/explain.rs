use actix_web::{HttpResponse, get, web};
use fairlead_domain::Id;
use fairlead_domain::cache::{CacheKey, Explanation, KeptInMemory, KeptInShared, Reason, SharedState};
use fairlead_domain::identity::TenantId;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{NoCache, control};
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::spec::Problems;
use crate::units::milliseconds;
use crate::warming::tags_of;

/// Longer ones do not fit into a target.
const LONGEST_KEY: usize = 8_000;

/// What [`ExplainQuery`] reads, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct ExplainParameters {
    /// Whose answer.
    tenant_id: Uuid,
    /// Which answer, as reports name it.
    #[param(min_length = 1, max_length = 8_000, example = "leads.list?status=NEW")]
    key: String,
}

#[derive(Debug)]
struct ExplainQuery {
    tenant: Option<TenantId>,
    key: Option<CacheKey>,
}

impl FromQuery for ExplainQuery {
    fn read(query: &mut QueryReader) -> Self {
        let tenant = |text: &str| {
            crate::query::hyphenated(text)
                .map(Id::from_uuid)
                .ok_or("must be a UUID such as 01934f6e-7b1a-7cc3-98a4-0242ac120002")
        };
        let key = |text: &str| {
            if text.chars().count() > LONGEST_KEY {
                return Err(format!("must have at most {LONGEST_KEY} characters"));
            }
            let key = CacheKey::parse(text);
            key.ok_or_else(|| "must be of the form leads.list?status=NEW".to_owned())
        };
        Self {
            tenant: query.required("tenantId", tenant),
            key: query.required("key", key),
        }
    }
}

/// What is known of one answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheExplanation, example = json!({
    "key": "leads.list?status=NEW", "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001",
    "memory": {
        "verdict": "invalidated", "ageMs": 1520.0, "freshForMs": 278_480.0, "sizeBytes": 24_310, "hits": 17,
        "loadMs": 3.1, "asOf": "1/0/3A4F5C8", "entityTag": "q1aTfS8vL0cUj5nNnHkKyEwd",
        "tags": [{"tag": "leads", "whenLoaded": 4, "now": 5}],
    },
    "shared": {"state": "missing"}, "isLoading": false,
}))]
struct ExplanationView {
    key: String,
    tenant_id: Uuid,
    /// `null` when the memory of this process has no such answer.
    #[schema(required = true)]
    memory: Option<MemoryView>,
    shared: SharedView,
    /// Whether this process is loading it now.
    is_loading: bool,
}

/// An answer in memory.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheExplanationMemory)]
struct MemoryView {
    verdict: VerdictView,
    #[schema(minimum = 0)]
    age_ms: f64,
    /// Until it is loaded anew.
    #[schema(minimum = 0)]
    fresh_for_ms: f64,
    #[schema(minimum = 0)]
    size_bytes: usize,
    #[schema(minimum = 0)]
    hits: u64,
    /// How long its load took.
    #[schema(minimum = 0)]
    load_ms: f64,
    /// The position of the database's log that it contains at least.
    as_of: String,
    entity_tag: String,
    /// What it depends on.
    tags: Vec<TagView>,
}

/// A tag of an answer: it is valid while both generations are the same.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheExplanationTag)]
struct TagView {
    tag: String,
    #[schema(minimum = 0)]
    when_loaded: u64,
    #[schema(minimum = 0)]
    now: u64,
}

/// Why an answer is served, or not.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = CacheVerdict)]
enum VerdictView {
    /// Nothing it depends on has changed, and its time is not over.
    Valid,
    /// Nothing it depends on has changed, but its time is over.
    Expired,
    /// Changes may have gone unheard since it was loaded: Redis is asked before it is served.
    Suspect,
    /// Something it depends on has changed since its load began.
    Invalidated,
}

/// The same answer in Redis.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", tag = "state")]
#[schema(as = CacheExplanationShared)]
enum SharedView {
    /// There is no Redis.
    Absent,
    /// Redis does not answer, or is not trusted yet.
    Away,
    Missing,
    Kept(KeptView),
}

/// An answer in Redis.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheExplanationKept)]
struct KeptView {
    /// `null` when not all that it depends on is known here.
    #[schema(required = true)]
    verdict: Option<VerdictView>,
    /// Up to a tenth of its time too high: as much is taken off at random, so that not all expire together.
    #[schema(minimum = 0)]
    age_ms: f64,
    /// Until it is loaded anew.
    #[schema(minimum = 0)]
    fresh_for_ms: f64,
    /// Until it is gone, its time of staleness included.
    #[schema(minimum = 0)]
    gone_in_ms: f64,
    #[schema(minimum = 0)]
    size_bytes: usize,
    /// What it depends on, in Redis' own count.
    tags: Vec<SharedTagView>,
}

/// A tag of an answer in Redis: it is valid while both generations are the same.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheExplanationSharedTag)]
struct SharedTagView {
    tag: String,
    #[schema(minimum = 0)]
    when_loaded: u64,
    /// `null` when Redis has lost it; the next one is another.
    #[schema(required = true, minimum = 0)]
    now: Option<u64>,
}

impl From<Reason> for VerdictView {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Valid => Self::Valid,
            Reason::Expired => Self::Expired,
            Reason::Suspect => Self::Suspect,
            Reason::Invalidated => Self::Invalidated,
        }
    }
}

impl From<&KeptInMemory> for MemoryView {
    fn from(kept: &KeptInMemory) -> Self {
        let tags = kept.tags.iter().zip(&kept.generations);
        Self {
            verdict: kept.verdict.into(),
            age_ms: milliseconds(kept.age),
            fresh_for_ms: milliseconds(kept.fresh_for),
            size_bytes: kept.size_bytes,
            hits: kept.hits,
            load_ms: milliseconds(kept.load_time),
            as_of: kept.as_of.to_string(),
            entity_tag: kept.entity_tag.to_string(),
            tags: tags
                .map(|(tag, &(when_loaded, now))| TagView {
                    tag: tag.to_string(),
                    when_loaded,
                    now,
                })
                .collect(),
        }
    }
}

impl From<SharedState> for SharedView {
    fn from(state: SharedState) -> Self {
        match state {
            SharedState::Absent => Self::Absent,
            SharedState::Away => Self::Away,
            SharedState::Missing => Self::Missing,
            SharedState::Kept(kept) => Self::Kept(kept.into()),
        }
    }
}

impl From<KeptInShared> for KeptView {
    fn from(kept: KeptInShared) -> Self {
        let tags = kept.tags.iter().zip(&kept.generations);
        Self {
            verdict: kept.verdict.map(VerdictView::from),
            age_ms: milliseconds(kept.age),
            fresh_for_ms: milliseconds(kept.fresh_for),
            gone_in_ms: milliseconds(kept.gone_in),
            size_bytes: kept.size_bytes,
            tags: tags
                .map(|(tag, &(when_loaded, now))| SharedTagView {
                    tag: tag.to_string(),
                    when_loaded,
                    now,
                })
                .collect(),
        }
    }
}

impl ExplanationView {
    fn new(tenant: TenantId, key: &CacheKey, explanation: Explanation) -> Self {
        Self {
            key: key.to_string(),
            tenant_id: tenant.as_uuid(),
            memory: explanation.memory.as_ref().map(MemoryView::from),
            shared: explanation.shared.into(),
            is_loading: explanation.is_loading,
        }
    }
}

/// Explain why an answer is served from the cache, or not.
#[utoipa::path(
    tag = "platform",
    operation_id = "explainCacheKey",
    params(ExplainParameters),
    responses(
        (status = 200, description = "Where it is kept, and what it depends on.", body = ExplanationView),
        Problems<NoCache>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/cache/explain")]
pub(super) async fn explain(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<ExplainQuery>,
) -> Result<HttpResponse, Problem> {
    let control = control(&services)?;
    let (Some(tenant), Some(key)) = (query.0.tenant, query.0.key) else {
        unreachable!("a query with a fault is refused when it is read");
    };
    let tags = tags_of(&key).unwrap_or_default();
    let explanation = control.explain(tenant, &key, &tags).await;
    Ok(HttpResponse::Ok().json(ExplanationView::new(tenant, &key, explanation)))
}
