use actix_web::{HttpResponse, delete, web};
use fairlead_domain::access::DeleteLeads;
use fairlead_domain::leads::{self, DeleteLeadError, Lead};

use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::IfMatch;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Delete a lead with its activities.
#[utoipa::path(
    tag = "leads",
    operation_id = "deleteLead",
    params(("id" = uuid::Uuid, Path, description = "The lead's id."), IfMatch, IdempotencyKey),
    responses((status = 204, description = "It is gone."), Problems<DeleteLeadError>),
    extensions(("x-permit" = json!("DeleteLeads"))),
)]
#[delete("/leads/{id}")]
pub(super) async fn delete(
    services: web::Data<Services>,
    permit: Permitted<DeleteLeads>,
    id: PathId<Lead>,
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
    leads::delete(&mut *uow, &permit, id.0, expected.0).await?;
    uow.answer(WriteAnswer::gone()).await
}
