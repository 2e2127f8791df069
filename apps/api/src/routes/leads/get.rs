use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::access::{ViewActivities, ViewLeads};
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::leads::Lead;

use super::NEWEST_ACTIVITIES;
use super::query::LeadShowQuery;
use super::view::LeadView;
use crate::Services;
use crate::authentication::{Authenticated, Permitted};
use crate::conditional::{self, EntityTag};
use crate::path::PathId;
use crate::problem::Problem;
use crate::query::QueryOf;
use crate::spec::IfNoneMatch;

/// Get a lead.
#[utoipa::path(
    tag = "leads",
    operation_id = "getLead",
    params(("id" = uuid::Uuid, Path, description = "The lead's id."), LeadShowQuery, IfNoneMatch),
    responses((status = 200, description = "The lead.", body = LeadView)),
    extensions(("x-permit" = json!("ViewLeads"))),
)]
#[get("/leads/{id}")]
pub(super) async fn get(
    request: HttpRequest,
    services: web::Data<Services>,
    caller: Authenticated,
    permit: Permitted<ViewLeads>,
    id: PathId<Lead>,
    query: QueryOf<LeadShowQuery>,
) -> Result<HttpResponse, Problem> {
    let show = query.0;
    if show.with_activities {
        caller.0.permit::<ViewActivities>()?;
    }
    let mut uow = services
        .store
        .read(permit.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let lead = uow.leads().find(id.0).await?.ok_or_else(Problem::not_found)?;
    if show.with_activities {
        let mut newest = uow.activities().newest(&[lead.id], NEWEST_ACTIVITIES).await?;
        let newest = newest.remove(&lead.id).unwrap_or_default();
        // Activities have versions of their own, so the bytes decide; the version leads, for `If-Match`.
        let tag = EntityTag::version(lead.version);
        let view = LeadView::with_activities(lead, Some(newest));
        return Ok(conditional::answer_by_version_and_digest(
            &request,
            tag,
            &show.fields.of(view),
        ));
    }

    let mut tag = EntityTag::version(lead.version);
    if let Some(variant) = show.fields.variant() {
        tag = tag.variant(&variant);
    }
    Ok(conditional::answer(
        &request,
        &tag,
        &show.fields.of(LeadView::from(lead)),
    ))
}
