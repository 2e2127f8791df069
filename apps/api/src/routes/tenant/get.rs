use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::access::ViewTenant;
use fairlead_domain::consistency::ReadIntent;

use super::view::TenantView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::{self, EntityTag};
use crate::problem::Problem;
use crate::spec::IfNoneMatch;

/// Get the tenant.
#[utoipa::path(
    tag = "tenant",
    operation_id = "getTenant",
    params(IfNoneMatch),
    responses((status = 200, description = "The caller's tenant.", body = TenantView)),
    extensions(("x-permit" = json!("ViewTenant"))),
)]
#[get("/tenant")]
pub(super) async fn get(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ViewTenant>,
) -> Result<HttpResponse, Problem> {
    let mut uow = services
        .store
        .read(permit.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let view = TenantView::from(uow.tenants().get().await?);
    Ok(conditional::answer(
        &request,
        &EntityTag::version(view.version),
        &view,
    ))
}
