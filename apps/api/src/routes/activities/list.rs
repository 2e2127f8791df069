use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::access::ViewActivities;
use fairlead_domain::activities::{Activity, ActivityFilter, ActivityKind};
use fairlead_domain::cache::{Namespace, Tag};
use fairlead_domain::paging::{Page, Paging};
use fairlead_domain::store::{StoreError, UnitOfWork};
use utoipa::IntoParams;

use super::view::{ActivityTypeView, ActivityView};
use crate::fields::FieldsQuery;
use crate::paging::{ListName, Listing, PagingQuery};
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::read::{ListFilter, ListOf, Read};
use crate::spec::IfNoneMatch;

/// What an [`ActivityFilter`] is read from, for the specification.
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

impl FromQuery for ActivityFilter {
    fn read(query: &mut QueryReader) -> Self {
        let kinds = ActivityKind::ALL.map(ActivityKind::as_str);
        Self {
            lead: query.uuid("leadId").map(Id::from_uuid),
            kind: query.choice("type", ActivityKind::parse, kinds),
            actor: query.uuid("actorId").map(Id::from_uuid),
            created_after: query.moment("createdAfter"),
            created_before: query.moment("createdBefore"),
        }
    }
}

#[async_trait]
impl ListFilter for ActivityFilter {
    const LIST: ListName = ListName {
        operation: "listActivities",
        order: "createdAt:desc",
    };
    const NAMESPACE: Namespace = Namespace::ActivityList;
    type Item = Activity;
    type View = ActivityView;

    fn tags(&self) -> Vec<Tag> {
        vec![self.lead.map_or(Tag::Activities, Tag::LeadActivities)]
    }

    async fn page(&self, uow: &mut dyn UnitOfWork, paging: &Paging) -> Result<Page<Activity>, StoreError> {
        uow.activities().list(self, paging).await
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
    read: Read<ViewActivities>,
    query: QueryOf<ListOf<ActivityFilter>>,
) -> Result<HttpResponse, Problem> {
    read.answer(query.0).await
}
