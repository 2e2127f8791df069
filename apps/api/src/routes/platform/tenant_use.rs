use std::collections::HashMap;
use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::{Grain, TenantTaken};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::requests::period::{Period, PeriodName};
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::routes::taken::TakenView;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 1_000;

/// What a [`TenantsQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents parameters")]
struct TenantsParameters {
    /// How far to look back, from the beginning of an hour on.
    #[param(nullable = false, inline, default = "day")]
    period: Option<PeriodName>,
    /// How many are answered at the most.
    #[param(minimum = 1, maximum = 1000, default = 50, nullable = false)]
    limit: Option<u32>,
}

#[derive(Debug)]
struct TenantsQuery {
    period: Period,
    limit: u32,
}

impl FromQuery for TenantsQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            period: Period::read(query).unwrap_or(Period::Day),
            limit: query.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT),
        }
    }
}

/// What tenants take of what all share.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TenantsTaken, example = json!({
    "since": "2026-11-21T10:00:00Z",
    "all": {
        "requests": 91_500, "failed": 0, "requestSeconds": 168.4, "receivedBytes": 1_200_000, "sentBytes": 1_830_000_000_u64,
        "statements": 1_210, "rows": 60_500, "databaseMs": 2_904.1, "jobSeconds": 12.5, "stayMinutes": 720.0,
    },
    "items": [{
        "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001", "name": "Acme", "databaseRatio": 0.71, "aiTokens": 9_120,
        "cacheBytes": 5_100_000, "taken": {
            "requests": 61_500, "failed": 0, "requestSeconds": 98.4, "receivedBytes": 900_000,
            "sentBytes": 1_230_000_000_u64, "statements": 810, "rows": 40_500, "databaseMs": 2_061.9, "jobSeconds": 10.0,
            "stayMinutes": 480.0,
        },
    }],
}))]
struct TenantsView {
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// Of all tenants, listed or not.
    all: TakenView,
    /// Those that took most of the database's time come first.
    items: Vec<TenantView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TenantTaken)]
struct TenantView {
    tenant_id: Uuid,
    name: String,
    /// Its time of the database, as a part of that of all tenants; `null` when nobody took any.
    #[schema(required = true, minimum = 0, maximum = 1)]
    database_ratio: Option<f64>,
    taken: TakenView,
    /// That models have read and written, with what is reserved.
    ai_tokens: u64,
    /// What its answers take in the memory of this process, now; `null` when the process keeps none, or tells of it only
    /// together with others.
    #[schema(required = true)]
    cache_bytes: Option<u64>,
}

impl TenantView {
    fn new(tenant: TenantTaken, all: Duration, cache: &HashMap<Uuid, u64>) -> Self {
        let id = tenant.tenant.as_uuid();
        let time = tenant.taken.database_time;
        Self {
            tenant_id: id,
            name: tenant.name,
            database_ratio: (!all.is_zero()).then(|| time.as_secs_f64() / all.as_secs_f64()),
            taken: TakenView::from(&tenant.taken),
            ai_tokens: tenant.ai_tokens,
            cache_bytes: cache.get(&id).copied(),
        }
    }
}

/// Tell what each tenant takes of what all share.
///
/// Requests, bytes, time of the database, rows, jobs, clients that stay, tokens of language models, and memory of the cache.
/// Added up by the hour, from what all processes have written down.
#[utoipa::path(
    tag = "platform",
    operation_id = "listTenantsTaken",
    params(TenantsParameters),
    responses((status = 200, description = "Of all processes.", body = TenantsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/tenants")]
pub(super) async fn tenants(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<TenantsQuery>,
) -> Result<HttpResponse, Problem> {
    let TenantsQuery { period, limit } = query.0;
    let since = Grain::Hour.beginning(services.clock.now() - period.span());
    let (all, most) = services.performance.ledger.most_taken(since, limit).await?;
    let report = services.cache_control.as_ref().map(|cache| cache.report());
    let cache = report.iter().flat_map(|report| &report.tenants);
    let cache: HashMap<_, _> = cache
        .map(|(tenant, of)| (tenant.as_uuid(), of.own_bytes + of.common_bytes))
        .collect();
    let items = most
        .into_iter()
        .map(|tenant| TenantView::new(tenant, all.database_time, &cache));
    Ok(HttpResponse::Ok().json(TenantsView {
        since,
        all: TakenView::from(&all),
        items: items.collect(),
    }))
}
