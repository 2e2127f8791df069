use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, web};
use fairlead_domain::operations::{self, CancelOperationError, Operation, OperationsPermit};

use super::view::OperationView;
use crate::Services;
use crate::authentication::Authenticated;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Cancel an operation.
///
/// One that nobody has begun is cancelled at once; another one when what is under way is finished, at most a thousand
/// rows later. What was done until then stays done, and `result` tells how much that is. Cancelling it again changes
/// nothing.
#[utoipa::path(
    tag = "operations",
    operation_id = "cancelOperation",
    params(("id" = uuid::Uuid, Path, description = "The operation's id."), IdempotencyKey),
    responses(
        (status = 200, description = "It is cancelled.", body = OperationView),
        (status = 202, description = "It will be soon.", body = OperationView),
        Problems<CancelOperationError>,
    ),
    extensions(("x-permit" = json!(["ImportLeads", "ExportLeads", "ScoreLeads"]))),
)]
#[delete("/operations/{id}")]
pub(super) async fn cancel(
    services: web::Data<Services>,
    caller: Authenticated,
    id: PathId<Operation>,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let permit = OperationsPermit::of(&caller.0)?;
    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), key.without_body())
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let operation = operations::cancel(&mut *uow, &permit, id.0).await?;
    let status = if operation.has_ended() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    uow.answer(WriteAnswer::new(status, &OperationView::from(&operation)))
        .await
}
