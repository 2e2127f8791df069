use actix_web::{HttpResponse, delete, web};
use fairlead_domain::operations::{self, CancelOperationError, Operation, OperationsPermit};

use super::view::OperationView;
use crate::Services;
use crate::authentication::Authenticated;
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
    params(("id" = uuid::Uuid, Path, description = "The operation's id.")),
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
) -> Result<HttpResponse, Problem> {
    let permit = OperationsPermit::of(&caller.0)?;
    let mut uow = services.store.begin(permit.scope()).await?;
    let operation = operations::cancel(&mut *uow, &permit, id.0).await?;
    uow.commit().await?;
    let mut response = if operation.has_ended() {
        HttpResponse::Ok()
    } else {
        HttpResponse::Accepted()
    };
    Ok(response.json(OperationView::from(&operation)))
}
