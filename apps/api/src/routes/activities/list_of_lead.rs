use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::access::ViewActivities;
use fairlead_domain::activities::ActivityFilter;
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::leads::Lead;

use super::view::ActivityView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional;
use crate::fields::{Fields, FieldsQuery};
use crate::paging::{ListName, Listing, PagingQuery};
use crate::path::PathId;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::spec::IfNoneMatch;

const LIST: ListName = ListName {
    operation: "listActivitiesOfLead",
    order: "createdAt:desc",
};

#[derive(Debug)]
struct OfLeadQuery {
    fields: Fields<ActivityView>,
    paging: PagingQuery,
}

impl FromQuery for OfLeadQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            fields: Fields::read(query),
            paging: PagingQuery::read(query),
        }
    }
}

/// List the activities of a lead, the newest first.
#[utoipa::path(
    tag = "activities",
    operation_id = "listActivitiesOfLead",
    params(
        ("id" = uuid::Uuid, Path, description = "The lead's id."),
        FieldsQuery<ActivityView>, PagingQuery, IfNoneMatch,
    ),
    responses((status = 200, description = "A page of activities.", body = Listing<ActivityView>)),
    extensions(("x-permit" = json!("ViewActivities"))),
)]
#[get("/leads/{id}/activities")]
pub(super) async fn list_of_lead(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ViewActivities>,
    id: PathId<Lead>,
    query: QueryOf<OfLeadQuery>,
) -> Result<HttpResponse, Problem> {
    let OfLeadQuery { fields, paging } = query.0;
    let wanted = paging.paging(&services.cursors, permit.scope(), LIST)?;

    let mut uow = services
        .store
        .read(permit.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let filter = ActivityFilter {
        lead: Some(id.0),
        ..ActivityFilter::default()
    };
    let page = uow.activities().list(&filter, &wanted).await?;
    // Only an empty page leaves open whether there is such a lead.
    if page.items.is_empty() {
        uow.leads().find(id.0).await?.ok_or_else(Problem::not_found)?;
    }

    let listing = Listing::new(page, &paging, &services.cursors, permit.scope(), LIST);
    Ok(conditional::answer_by_digest(
        &request,
        &listing.map(|activity| fields.of(ActivityView::from(activity))),
    ))
}
