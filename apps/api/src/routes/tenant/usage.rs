use actix_web::{HttpResponse, get, web};
use fairlead_domain::access::ViewTenant;
use fairlead_domain::consistency::ReadIntent;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::Services;
use crate::authentication::Permitted;
use crate::problem::Problem;

/// How much the tenant has stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Usage, example = json!({
    "users": 12, "activeUsers": 11, "agents": 8, "leads": 20413, "openLeads": 1780, "activities": 61200,
    "carriers": 14, "apiKeys": 2, "asOf": "2026-11-21T10:00:00Z",
}))]
struct UsageView {
    #[schema(minimum = 0)]
    users: u64,
    #[schema(minimum = 0)]
    active_users: u64,
    #[schema(minimum = 0)]
    agents: u64,
    #[schema(minimum = 0)]
    leads: u64,
    /// Leads that are not closed.
    #[schema(minimum = 0)]
    open_leads: u64,
    #[schema(minimum = 0)]
    activities: u64,
    #[schema(minimum = 0)]
    carriers: u64,
    /// Valid ones.
    #[schema(minimum = 0)]
    api_keys: u64,
    /// When it was counted.
    #[serde(with = "time::serde::rfc3339")]
    as_of: OffsetDateTime,
}

/// Count what the tenant has stored.
#[utoipa::path(
    tag = "tenant",
    operation_id = "getUsage",
    responses((status = 200, description = "Counted now.", body = UsageView)),
    extensions(("x-permit" = json!("ViewTenant"))),
)]
#[get("/usage")]
pub(super) async fn usage(
    services: web::Data<Services>,
    permit: Permitted<ViewTenant>,
) -> Result<HttpResponse, Problem> {
    let mut uow = services
        .store
        .read(permit.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let usage = uow.tenants().usage().await?;
    Ok(HttpResponse::Ok().json(UsageView {
        users: usage.users,
        active_users: usage.active_users,
        agents: usage.agents,
        leads: usage.leads,
        open_leads: usage.open_leads,
        activities: usage.activities,
        carriers: usage.carriers,
        api_keys: usage.api_keys,
        as_of: uow.now(),
    }))
}
