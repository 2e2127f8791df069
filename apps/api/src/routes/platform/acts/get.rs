use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::acts::{Act, ActError};

use super::ActView;
use crate::Services;
use crate::authentication::Operator;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Get an act: how far it has come, and what came of it.
#[utoipa::path(
    tag = "platform",
    operation_id = "getAct",
    params(("id" = uuid::Uuid, Path, description = "The act's id.")),
    responses(
        (status = 200, description = "The act.", body = ActView),
        Problems<ActError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/acts/{id}")]
pub(super) async fn get(
    services: web::Data<Services>,
    _operator: Operator,
    id: PathId<Act>,
) -> Result<HttpResponse, Problem> {
    let mut uow = super::begin(&services).await?;
    let act = uow.acts().find(id.0).await?.ok_or(ActError::Missing)?;
    uow.commit().await?;
    Ok(HttpResponse::Ok().json(ActView::from(act)))
}
