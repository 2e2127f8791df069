use actix_web::{HttpResponse, delete, web};
use fairlead_domain::access::WriteActivities;
use fairlead_domain::activities::{self, Activity, ChangeActivityError};

use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::IfMatch;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Delete an activity that a person wrote.
#[utoipa::path(
    tag = "activities",
    operation_id = "deleteActivity",
    params(("id" = uuid::Uuid, Path, description = "The activity's id."), IfMatch, IdempotencyKey),
    responses((status = 204, description = "It is gone."), Problems<ChangeActivityError>),
    extensions(("x-permit" = json!("WriteActivities"))),
)]
#[delete("/activities/{id}")]
pub(super) async fn delete(
    services: web::Data<Services>,
    permit: Permitted<WriteActivities>,
    id: PathId<Activity>,
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
    activities::delete(&mut *uow, &permit, id.0, expected.0).await?;
    uow.answer(WriteAnswer::gone()).await
}
