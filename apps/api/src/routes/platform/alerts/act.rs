use actix_web::{HttpResponse, post, web};
use fairlead_domain::performance::alerts::{self, Alert, AlertError, RuleError};

use super::silences::{self, SilenceBody};
use super::view::{AlertView, SilenceView};
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Take care of an alert.
///
/// It is told no more that it lasts; that it is worse, and that it is over, is told all the same.
#[utoipa::path(
    tag = "platform",
    operation_id = "acknowledgeAlert",
    params(("id" = uuid::Uuid, Path, description = "The alert's id.")),
    responses(
        (status = 200, description = "The alert. Who acknowledged it first is kept.", body = AlertView),
        Problems<AlertError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/alerts/{id}/acknowledge")]
pub(super) async fn acknowledge(
    services: web::Data<Services>,
    operator: Operator,
    id: PathId<Alert>,
) -> Result<HttpResponse, Problem> {
    let mut uow = super::begin(&services).await?;
    let alert = alerts::acknowledge(&mut *uow, operator.0.operator(), id.0).await?;
    let standings = uow.alerts().standings().await?;
    uow.commit().await?;
    tracing::info!(operator = operator.0.operator(), alert = %id.0.as_uuid(), "an alert was acknowledged");
    Ok(HttpResponse::Ok().json(AlertView::of(alert, &standings, services.clock.now())))
}

/// Have nothing told of an alert for a while, nor of what comes next of its rule or objective.
///
/// As by the key of its rule.
#[utoipa::path(
    tag = "platform",
    operation_id = "silenceAlert",
    params(("id" = uuid::Uuid, Path, description = "The alert's id.")),
    request_body = SilenceBody,
    responses(
        (status = 200, description = "How its rule is silenced.", body = SilenceView),
        Problems<AlertError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/alerts/{id}/silence")]
pub(super) async fn silence_alert(
    services: web::Data<Services>,
    operator: Operator,
    id: PathId<Alert>,
    body: JsonBody<SilenceBody>,
) -> Result<HttpResponse, Problem> {
    let silence = body.value.parse(operator.0.operator(), services.clock.now())?;
    let mut uow = super::begin(&services).await?;
    // Until it is silenced, it is not over.
    uow.alerts().hold().await?;
    let alert = alerts::active(&mut *uow, id.0).await?;
    match silences::put(uow, &alert.rule, silence).await {
        Ok(view) => Ok(HttpResponse::Ok().json(view)),
        // Its rule was deleted, so it is over in a moment.
        Err(RuleError::Missing(_)) => Err(AlertError::Over.into()),
        Err(error) => Err(error.into()),
    }
}
