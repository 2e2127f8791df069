use actix_web::{HttpResponse, delete, web};
use fairlead_domain::access::WriteActivities;
use fairlead_domain::activities::{self, Activity, ChangeActivityError};

use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::IfMatch;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Delete an activity that a person wrote.
#[utoipa::path(
    tag = "activities",
    operation_id = "deleteActivity",
    params(("id" = uuid::Uuid, Path, description = "The activity's id."), IfMatch),
    responses((status = 204, description = "It is gone."), Problems<ChangeActivityError>),
    extensions(("x-permit" = json!("WriteActivities"))),
)]
#[delete("/activities/{id}")]
pub(super) async fn delete(
    services: web::Data<Services>,
    permit: Permitted<WriteActivities>,
    id: PathId<Activity>,
    expected: IfMatch,
) -> Result<HttpResponse, Problem> {
    let mut uow = services.store.begin(permit.scope()).await?;
    activities::delete(&mut *uow, &permit, id.0, expected.0).await?;
    uow.commit().await?;
    Ok(HttpResponse::NoContent().finish())
}
