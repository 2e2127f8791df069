use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::access::ViewActivities;
use fairlead_domain::activities::Activity;
use fairlead_domain::consistency::ReadIntent;

use super::view::ActivityView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::{self, EntityTag};
use crate::path::PathId;
use crate::problem::Problem;
use crate::query::{NoQuery, QueryOf};
use crate::spec::IfNoneMatch;

/// Get an activity.
#[utoipa::path(
    tag = "activities",
    operation_id = "getActivity",
    params(("id" = uuid::Uuid, Path, description = "The activity's id."), IfNoneMatch),
    responses((status = 200, description = "The activity.", body = ActivityView)),
    extensions(("x-permit" = json!("ViewActivities"))),
)]
#[get("/activities/{id}")]
pub(super) async fn get(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ViewActivities>,
    id: PathId<Activity>,
    _query: QueryOf<NoQuery>,
) -> Result<HttpResponse, Problem> {
    let mut uow = services
        .store
        .read(permit.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let activity = uow
        .activities()
        .find(id.0)
        .await?
        .ok_or_else(Problem::not_found)?;

    let tag = EntityTag::version(activity.version);
    Ok(conditional::answer(&request, &tag, &ActivityView::from(activity)))
}
