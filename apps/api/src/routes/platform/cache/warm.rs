use std::sync::Arc;

use actix_web::{HttpResponse, get, post, web};
use fairlead_domain::cache::{CacheWarming, DatasetReport, WarmReport, WarmWish, WarmedKey};
use fairlead_domain::invalid::Invalid;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{NoCache, is_known};
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::{Kind, Problem};
use crate::spec::Problems;
use crate::units::milliseconds;

/// Whose order to warm is carried out: of one after the other, as each may load a thousand answers of hundreds of tenants.
/// Clones are the same turn.
#[derive(Clone, Debug)]
pub struct WarmTurn(Arc<Semaphore>);

impl Default for WarmTurn {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl WarmTurn {
    fn take(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            Problem::client(
                Kind::Conflict,
                "an order to warm is being carried out in this process; give yours when it is done, which its log tells",
            )
        })
    }
}

/// What is to be loaded ahead of need: every dataset, unless `datasets`, `keys` or `learned` says otherwise.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = CacheWarming, example = json!({"datasets": ["recent-leads", "statistics"]}))]
struct WarmBody {
    /// For this tenant alone; otherwise for the hundred that ask this process most, and for those whose answers have
    /// saved the most in any process.
    tenant_id: Option<Uuid>,
    /// `recent-leads`, `statistics`, `agents`, `carriers`, `metadata`.
    #[schema(max_items = 20)]
    datasets: Option<Vec<String>>,
    /// Single answers, as reports name them: `leads.list?status=NEW`.
    #[schema(max_items = 1000)]
    keys: Option<Vec<String>>,
    /// The answers that have saved the most so far.
    learned: Option<bool>,
}

impl From<WarmBody> for WarmWish {
    fn from(body: WarmBody) -> Self {
        Self {
            tenant_id: body.tenant_id,
            datasets: body.datasets,
            keys: body.keys,
            learned: body.learned,
        }
    }
}

/// What was loaded.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheWarmed, example = json!({"tenants": 1, "tookMs": 12.5, "datasets": [{
    "name": "recent-leads", "loaded": 3, "taken": 0, "kept": 0, "failed": 0, "unknown": 0, "tookMs": 9.1,
}], "notes": []}))]
struct WarmedView {
    #[schema(minimum = 0)]
    tenants: usize,
    #[schema(minimum = 0)]
    took_ms: f64,
    datasets: Vec<DatasetView>,
    /// Why something was not loaded that was asked for: `learned: nothing has been learnt yet`.
    notes: Vec<&'static str>,
}

/// What was loaded of one dataset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheWarmedDataset)]
struct DatasetView {
    name: String,
    /// Loaded from the database.
    #[schema(minimum = 0)]
    loaded: u64,
    /// Taken from Redis.
    #[schema(minimum = 0)]
    taken: u64,
    /// In memory before.
    #[schema(minimum = 0)]
    kept: u64,
    #[schema(minimum = 0)]
    failed: u64,
    /// Keys that no dataset knows how to load.
    #[schema(minimum = 0)]
    unknown: u64,
    #[schema(minimum = 0)]
    took_ms: f64,
}

/// What warmed answers have earned.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CacheWarmEarnings, example = json!({"items": [{
    "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001", "key": "leads.list?", "dataset": "recent-leads",
    "warmedAgoMs": 60_000.0, "hits": 41, "savedMs": 127.1,
}]}))]
struct EarningsView {
    /// The most first.
    items: Vec<WarmedKeyView>,
}

/// A warmed answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheWarmedKey)]
struct WarmedKeyView {
    tenant_id: Uuid,
    key: String,
    dataset: &'static str,
    #[schema(minimum = 0)]
    warmed_ago_ms: f64,
    /// Until a change or time replaced it.
    #[schema(minimum = 0)]
    hits: u64,
    /// Time of the database that those hits made unnecessary.
    #[schema(minimum = 0)]
    saved_ms: f64,
}

impl From<WarmReport> for WarmedView {
    fn from(report: WarmReport) -> Self {
        Self {
            tenants: report.tenants,
            took_ms: milliseconds(report.took),
            datasets: report.datasets.into_iter().map(DatasetView::from).collect(),
            notes: report.notes,
        }
    }
}

impl From<DatasetReport> for DatasetView {
    fn from(report: DatasetReport) -> Self {
        Self {
            name: report.name,
            loaded: report.loaded,
            taken: report.taken,
            kept: report.kept,
            failed: report.failed,
            unknown: report.unknown,
            took_ms: milliseconds(report.took),
        }
    }
}

impl From<WarmedKey> for WarmedKeyView {
    fn from(warmed: WarmedKey) -> Self {
        Self {
            tenant_id: warmed.tenant.as_uuid(),
            key: warmed.key.to_string(),
            dataset: warmed.dataset,
            warmed_ago_ms: milliseconds(warmed.warmed_ago),
            hits: warmed.hits,
            saved_ms: milliseconds(warmed.saved),
        }
    }
}

fn warming(services: &Services) -> Result<&Arc<dyn CacheWarming>, NoCache> {
    services.cache_warming.as_ref().ok_or(NoCache)
}

/// Load answers ahead of need.
#[utoipa::path(
    tag = "platform",
    operation_id = "warmCache",
    request_body = WarmBody,
    responses((status = 200, description = "What was loaded.", body = WarmedView), Problems<NoCache>),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/cache/warm")]
pub(super) async fn warm(
    services: web::Data<Services>,
    _operator: Operator,
    body: JsonBody<WarmBody>,
) -> Result<HttpResponse, Problem> {
    let warming = warming(&services)?.clone();
    let request = WarmWish::from(body.value).parse(&warming.datasets())?;
    if let Some(tenant) = request.tenant
        && !is_known(&services, tenant).await?
    {
        return Err(
            Invalid::field("tenantId", "must be the id of a tenant; there is none of this id").into(),
        );
    }
    let turn = services.warm_turn.take()?;
    // It goes on when the operator goes away: what is loaded serves others.
    let warmed = fairlead_telemetry::spawn(async move {
        let warmed = warming.warm(request).await;
        drop(turn);
        warmed
    });
    let report = warmed
        .await
        .map_err(|error| Problem::server(Kind::Internal, error))??;
    Ok(HttpResponse::Ok().json(WarmedView::from(report)))
}

/// Tell what each warmed answer has earned.
#[utoipa::path(
    tag = "platform",
    operation_id = "getCacheWarmEarnings",
    responses(
        (status = 200, description = "The latest thousand that were warmed.", body = EarningsView),
        Problems<NoCache>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/cache/warm")]
pub(super) async fn earnings(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let earned = warming(&services)?.earnings();
    Ok(HttpResponse::Ok().json(EarningsView {
        items: earned.into_iter().map(WarmedKeyView::from).collect(),
    }))
}
