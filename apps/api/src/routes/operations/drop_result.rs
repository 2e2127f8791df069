use actix_web::{HttpResponse, delete, web};
use fairlead_domain::access::ExportLeads;
use fairlead_domain::operations::{self, FindResultError, Operation};

use crate::Services;
use crate::authentication::Permitted;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Forget the file that an operation has written.
///
/// Its room counts no longer against what the tenant's files may have. Whoever is fetching it is cut off; a file that is
/// gone already stays gone.
#[utoipa::path(
    tag = "operations",
    operation_id = "deleteOperationResult",
    params(("id" = uuid::Uuid, Path, description = "The operation's id."), IdempotencyKey),
    responses(
        (status = 204, description = "There is no file any more."),
        Problems<FindResultError>,
    ),
    extensions(("x-permit" = json!("ExportLeads"))),
)]
#[delete("/operations/{id}/result")]
pub(super) async fn drop_result(
    services: web::Data<Services>,
    permit: Permitted<ExportLeads>,
    id: PathId<Operation>,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), key.without_body())
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    operations::drop_result(&mut *uow, &permit, id.0).await?;
    uow.answer(WriteAnswer::gone()).await
}
