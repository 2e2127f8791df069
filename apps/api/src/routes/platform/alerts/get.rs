use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::alerts::{Alert, AlertError};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{AlertView, NoticeView};
use crate::Services;
use crate::authentication::Operator;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// An alert, with what was told of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertWithNotices, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "rule": "response-time", "metric": "responseP95Ms", "state": "active",
    "severity": "warning", "since": "2026-11-22T09:50:00Z", "openedAt": "2026-11-22T09:55:00Z", "resolvedAt": null,
    "value": 212.5, "worst": 240.0, "isFlapping": false,
    "told": {"severity": "warning", "since": "2026-11-22T09:55:00Z"},
    "acknowledgedAt": null, "acknowledgedBy": null, "silencedUntil": null,
    "notices": [{
        "id": "01934f6e-7b1a-7cc3-98a4-0242ac120003", "at": "2026-11-22T09:55:00Z", "kind": "opened",
        "severity": "warning", "value": 205.1, "why": null,
        "text": "warning response-time: responseP95Ms is 205.1",
    }],
}))]
struct WholeAlertView {
    #[serde(flatten)]
    alert: AlertView,
    /// The oldest first.
    notices: Vec<NoticeView>,
}

/// Get an alert, with what was told of it.
#[utoipa::path(
    tag = "platform",
    operation_id = "getAlert",
    params(("id" = uuid::Uuid, Path, description = "The alert's id.")),
    responses(
        (status = 200, description = "The alert.", body = WholeAlertView),
        Problems<AlertError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/alerts/{id}")]
pub(super) async fn get(
    services: web::Data<Services>,
    _operator: Operator,
    id: PathId<Alert>,
) -> Result<HttpResponse, Problem> {
    let mut uow = super::begin(&services).await?;
    let alert = uow.alerts().find(id.0).await?.ok_or(AlertError::Missing)?;
    let notices = uow.alerts().notices(id.0).await?;
    let standings = uow.alerts().standings().await?;
    uow.commit().await?;
    let notices = notices
        .iter()
        .map(|notice| NoticeView::new(notice, &alert))
        .collect();
    let alert = AlertView::of(alert, &standings, services.clock.now());
    Ok(HttpResponse::Ok().json(WholeAlertView { alert, notices }))
}
