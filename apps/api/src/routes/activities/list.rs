use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::Id;
use fairlead_domain::access::ViewActivities;
use fairlead_domain::activities::{ActivityFilter, ActivityKind};
use fairlead_domain::consistency::ReadIntent;
use utoipa::IntoParams;

use super::view::{ActivityTypeView, ActivityView};
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional;
use crate::fields::{Fields, FieldsQuery};
use crate::paging::{ListName, Listing, PagingQuery};
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::spec::IfNoneMatch;

const LIST: ListName = ListName {
    operation: "listActivities",
    order: "createdAt:desc",
};

/// What [`ActivitiesQuery`] reads, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct ActivitiesParameters {
    #[param(nullable = false)]
    r#type: Option<ActivityTypeView>,
    /// Activities of this lead.
    #[param(nullable = false)]
    lead_id: Option<uuid::Uuid>,
    /// Activities of this user.
    #[param(nullable = false)]
    actor_id: Option<uuid::Uuid>,
    /// Written after this moment.
    #[param(value_type = String, format = DateTime, required = false)]
    created_after: Option<String>,
    /// Written before this moment.
    #[param(value_type = String, format = DateTime, required = false)]
    created_before: Option<String>,
}

#[derive(Debug)]
struct ActivitiesQuery {
    filter: ActivityFilter,
    fields: Fields<ActivityView>,
    paging: PagingQuery,
}

impl FromQuery for ActivitiesQuery {
    fn read(query: &mut QueryReader) -> Self {
        let kinds = ActivityKind::ALL.map(ActivityKind::as_str);
        Self {
            filter: ActivityFilter {
                lead: query.uuid("leadId").map(Id::from_uuid),
                kind: query.choice("type", ActivityKind::parse, kinds),
                actor: query.uuid("actorId").map(Id::from_uuid),
                created_after: query.moment("createdAfter"),
                created_before: query.moment("createdBefore"),
            },
            fields: Fields::read(query),
            paging: PagingQuery::read(query),
        }
    }
}

/// List activities, the newest first.
#[utoipa::path(
    tag = "activities",
    operation_id = "listActivities",
    params(ActivitiesParameters, FieldsQuery<ActivityView>, PagingQuery, IfNoneMatch),
    responses((status = 200, description = "A page of activities.", body = Listing<ActivityView>)),
    extensions(("x-permit" = json!("ViewActivities"))),
)]
#[get("/activities")]
pub(super) async fn list(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ViewActivities>,
    query: QueryOf<ActivitiesQuery>,
) -> Result<HttpResponse, Problem> {
    let ActivitiesQuery {
        filter,
        fields,
        paging,
    } = query.0;
    let wanted = paging.paging(&services.cursors, permit.scope(), LIST)?;

    let mut uow = services
        .store
        .read(permit.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let page = uow.activities().list(&filter, &wanted).await?;

    let listing = Listing::new(page, &paging, &services.cursors, permit.scope(), LIST);
    Ok(conditional::answer_by_digest(
        &request,
        &listing.map(|activity| fields.of(ActivityView::from(activity))),
    ))
}
