use actix_web::{HttpResponse, delete, get, web};
use fairlead_domain::cache::Invalidate;
use fairlead_domain::identity::Tenant;

use super::invalidate::drop_answers;
use super::view::{InvalidatedView, TenantView};
use super::{NoCache, control};
use crate::Services;
use crate::authentication::Operator;
use crate::path::PathId;
use crate::problem::{Kind, Problem};
use crate::spec::{Problematic, Problems};

/// None that was ever there.
struct NoSuchTenant;

impl Problematic for NoSuchTenant {
    const KINDS: &'static [Kind] = &[Kind::NotFound];
}

/// Tell what is kept of a tenant in this process, and what it saves.
#[utoipa::path(
    tag = "platform",
    operation_id = "getTenantCacheStats",
    params(("id" = uuid::Uuid, Path, description = "The tenant's id.")),
    responses(
        (status = 200, description = "Since this process started.", body = TenantView),
        Problems<NoCache>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/cache/tenant/{id}/stats")]
pub(super) async fn stats(
    services: web::Data<Services>,
    _operator: Operator,
    id: PathId<Tenant>,
) -> Result<HttpResponse, Problem> {
    // Who has asked for nothing here has nothing here; whether there is such a tenant is not looked up.
    let report = control(&services)?.report_of(id.0).unwrap_or_default();
    Ok(HttpResponse::Ok().json(TenantView::new(Some(id.0.as_uuid()), &report)))
}

/// Drop every answer of a tenant.
#[utoipa::path(
    tag = "platform",
    operation_id = "clearTenantCache",
    params(("id" = uuid::Uuid, Path, description = "The tenant's id.")),
    responses(
        (status = 200, description = "What was dropped.", body = InvalidatedView),
        Problems<NoSuchTenant>,
        Problems<NoCache>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[delete("/performance/cache/tenant/{id}/clear")]
pub(super) async fn clear(
    services: web::Data<Services>,
    operator: Operator,
    id: PathId<Tenant>,
) -> Result<HttpResponse, Problem> {
    drop_answers(
        &services,
        &operator,
        vec![Invalidate::Tenant(id.0)],
        Problem::not_found,
    )
    .await
}
