use actix_web::{HttpResponse, delete, web};
use fairlead_domain::access::ManageCarriers;
use fairlead_domain::carriers::{self, Carrier, UpdateCarrierError};

use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::IfMatch;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Delete a carrier.
#[utoipa::path(
    tag = "carriers",
    operation_id = "deleteCarrier",
    params(("id" = uuid::Uuid, Path, description = "The carrier's id."), IfMatch, IdempotencyKey),
    responses((status = 204, description = "It is gone."), Problems<UpdateCarrierError>),
    extensions(("x-permit" = json!("ManageCarriers"))),
)]
#[delete("/carriers/{id}")]
pub(super) async fn delete(
    services: web::Data<Services>,
    permit: Permitted<ManageCarriers>,
    id: PathId<Carrier>,
    expected: IfMatch,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), key.without_body())
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    carriers::delete(&mut *uow, &permit, id.0, expected.0).await?;
    uow.answer(WriteAnswer::gone()).await
}
