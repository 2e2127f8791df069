use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::{ViewActivities, ViewLeads};
use fairlead_domain::cache::{CacheKey, Namespace, Tag};
use fairlead_domain::leads::LeadQuery;

use super::NEWEST_ACTIVITIES;
use super::query::LeadListQuery;
use super::view::LeadView;
use crate::paging::Listing;
use crate::problem::Problem;
use crate::query::QueryOf;
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

#[async_trait]
impl Question for LeadListQuery {
    fn key(&self) -> Option<CacheKey> {
        Some(CacheKey::new(Namespace::LeadList, self.show.normal.as_str()))
    }

    fn tags(&self) -> Vec<Tag> {
        let mut tags = vec![Tag::Leads];
        if self.show.with_activities {
            tags.push(Tag::Activities);
        }
        tags
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let wanted = LeadQuery {
            filter: self.filter.0.clone(),
            sort: self.sort,
            direction: self.direction,
            paging: self.paging.paging(&from.cursors, self.list)?,
        };
        let page = from.uow.leads().list(&wanted).await?;
        let mut activities = if self.show.with_activities {
            let ids: Vec<_> = page.items.iter().map(|lead| lead.id).collect();
            Some(from.uow.activities().newest(&ids, NEWEST_ACTIVITIES).await?)
        } else {
            None
        };
        let listing = Listing::new(page, &self.paging, &from.cursors, self.list);
        let views = listing.map(|lead| {
            let newest = activities
                .as_mut()
                .map(|activities| activities.remove(&lead.id).unwrap_or_default());
            self.show.fields.of(LeadView::with_activities(lead, newest))
        });
        Ok(Representation::by_digest(&views))
    }
}

/// List leads, the newest first unless sorted otherwise.
#[utoipa::path(
    tag = "leads",
    operation_id = "listLeads",
    params(LeadListQuery, IfNoneMatch),
    responses((status = 200, description = "A page of leads.", body = Listing<LeadView>)),
    extensions(("x-permit" = json!("ViewLeads"))),
)]
#[get("/leads")]
pub(super) async fn list(
    mut read: Read<ViewLeads>,
    query: QueryOf<LeadListQuery>,
) -> Result<HttpResponse, Problem> {
    if query.0.show.with_activities {
        read.require::<ViewActivities>()?;
    }
    read.answer(query.0).await
}
