use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::access::ViewCarriers;
use fairlead_domain::carriers::Carrier;
use fairlead_domain::consistency::ReadIntent;

use super::view::CarrierView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::{self, EntityTag};
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::IfNoneMatch;

/// Get a carrier.
#[utoipa::path(
    tag = "carriers",
    operation_id = "getCarrier",
    params(("id" = uuid::Uuid, Path, description = "The carrier's id."), IfNoneMatch),
    responses((status = 200, description = "The carrier.", body = CarrierView)),
    extensions(("x-permit" = json!("ViewCarriers"))),
)]
#[get("/carriers/{id}")]
pub(super) async fn get(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ViewCarriers>,
    id: PathId<Carrier>,
) -> Result<HttpResponse, Problem> {
    let mut uow = services
        .store
        .read(permit.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let carrier = uow.carriers().find(id.0).await?.ok_or_else(Problem::not_found)?;

    let tag = EntityTag::version(carrier.version);
    Ok(conditional::answer(&request, &tag, &CarrierView::from(carrier)))
}
