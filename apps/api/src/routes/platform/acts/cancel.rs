use actix_web::{HttpResponse, delete, web};
use fairlead_domain::performance::acts::{self, Act, ActError};

use super::ActView;
use crate::Services;
use crate::authentication::Operator;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Cancel an act.
///
/// One that is under way is broken off within seconds, and an index that it has begun to build, or is judging, is dropped.
#[utoipa::path(
    tag = "platform",
    operation_id = "cancelAct",
    params(("id" = uuid::Uuid, Path, description = "The act's id.")),
    responses(
        (status = 200, description = "It is cancelled.", body = ActView),
        Problems<ActError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[delete("/performance/acts/{id}")]
pub(super) async fn cancel(
    services: web::Data<Services>,
    operator: Operator,
    id: PathId<Act>,
) -> Result<HttpResponse, Problem> {
    let mut uow = super::begin(&services).await?;
    let act = acts::cancel(&mut *uow, operator.0.operator(), id.0).await?;
    uow.commit().await?;
    tracing::info!(operator = operator.0.operator(), act = %act.id, "an act was cancelled");
    Ok(HttpResponse::Ok().json(ActView::from(act)))
}
