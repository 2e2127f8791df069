use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::{ViewActivities, ViewLeads};
use fairlead_domain::cache::{CacheKey, Namespace, Tag};
use fairlead_domain::leads::{Lead, LeadId};

use super::NEWEST_ACTIVITIES;
use super::query::LeadShowQuery;
use super::view::LeadView;
use crate::conditional::EntityTag;
use crate::path::PathId;
use crate::problem::Problem;
use crate::query::QueryOf;
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

pub(crate) struct GetLead {
    pub(crate) id: LeadId,
    pub(crate) show: LeadShowQuery,
}

#[async_trait]
impl Question for GetLead {
    fn key(&self) -> Option<CacheKey> {
        let Self { id, show } = self;
        Some(CacheKey::new(Namespace::Lead, format!("id={id}&{}", show.normal)))
    }

    fn tags(&self) -> Vec<Tag> {
        let mut tags = vec![Tag::Lead(self.id)];
        if self.show.with_activities {
            tags.push(Tag::LeadActivities(self.id));
        }
        tags
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let Self { id, show } = self;
        let lead = from.uow.leads().find(*id).await?.ok_or_else(Problem::not_found)?;
        let (revision, updated_at) = (lead.revision(), lead.updated_at);
        if show.with_activities {
            let mut newest = from.uow.activities().newest(&[*id], NEWEST_ACTIVITIES).await?;
            let newest = newest.remove(id).unwrap_or_default();
            let view = LeadView::with_activities(lead, Some(newest));
            // Activities have versions of their own, so the bytes decide.
            return Ok(Representation::of_version_and_digest(
                revision,
                &show.fields.of(view),
            ));
        }
        let mut tag = EntityTag::of(revision);
        if let Some(variant) = show.fields.variant() {
            tag = tag.variant(&variant);
        }
        let view = LeadView::from(lead);
        Ok(Representation::of_version(tag, &show.fields.of(view)).modified_at(updated_at))
    }
}

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
    mut read: Read<ViewLeads>,
    id: PathId<Lead>,
    query: QueryOf<LeadShowQuery>,
) -> Result<HttpResponse, Problem> {
    let (id, show) = (id.0, query.0);
    if show.with_activities {
        read.require::<ViewActivities>()?;
    }
    read.answer(GetLead { id, show }).await
}
