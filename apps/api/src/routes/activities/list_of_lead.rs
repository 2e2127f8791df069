use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ViewActivities;
use fairlead_domain::activities::ActivityFilter;
use fairlead_domain::cache::{CacheKey, Namespace, Tag};
use fairlead_domain::leads::{Lead, LeadId};

use super::view::ActivityView;
use crate::fields::{Fields, FieldsQuery};
use crate::paging::{ListName, Listing, PagingQuery};
use crate::path::PathId;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

const LIST: ListName = ListName {
    operation: "listActivitiesOfLead",
    order: "createdAt:desc",
};

#[derive(Debug)]
pub(crate) struct OfLeadQuery {
    fields: Fields<ActivityView>,
    paging: PagingQuery,
    /// In normal form.
    normal: String,
}

impl FromQuery for OfLeadQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            fields: Fields::read(query),
            paging: PagingQuery::read(query),
            normal: query.normal(),
        }
    }
}

pub(crate) struct ActivitiesOfLead {
    pub(crate) lead: LeadId,
    pub(crate) query: OfLeadQuery,
}

#[async_trait]
impl Question for ActivitiesOfLead {
    fn key(&self) -> Option<CacheKey> {
        let variant = format!("of={}&{}", self.lead, self.query.normal);
        Some(CacheKey::new(Namespace::ActivityList, variant))
    }

    fn tags(&self) -> Vec<Tag> {
        // The lead's own: when it goes, an empty page becomes a 404.
        vec![Tag::LeadActivities(self.lead), Tag::Lead(self.lead)]
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let OfLeadQuery { fields, paging, .. } = &self.query;
        let wanted = paging.paging(&from.cursors, LIST)?;
        let filter = ActivityFilter {
            lead: Some(self.lead),
            ..ActivityFilter::default()
        };
        let page = from.uow.activities().list(&filter, &wanted).await?;
        // Only an empty page leaves open whether there is such a lead.
        if page.items.is_empty() {
            let lead = from.uow.leads().find(self.lead).await?;
            lead.ok_or_else(Problem::not_found)?;
        }
        let listing = Listing::new(page, paging, &from.cursors, LIST);
        Ok(Representation::by_digest(
            &listing.map(|activity| fields.of(ActivityView::from(activity))),
        ))
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
    read: Read<ViewActivities>,
    id: PathId<Lead>,
    query: QueryOf<OfLeadQuery>,
) -> Result<HttpResponse, Problem> {
    let (lead, query) = (id.0, query.0);
    read.answer(ActivitiesOfLead { lead, query }).await
}
