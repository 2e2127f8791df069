use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ViewActivities;
use fairlead_domain::activities::{Activity, ActivityId};
use fairlead_domain::cache::{CacheKey, Namespace, Tag};

use super::view::ActivityView;
use crate::conditional::EntityTag;
use crate::path::PathId;
use crate::problem::Problem;
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

pub(crate) struct GetActivity(pub(crate) ActivityId);

#[async_trait]
impl Question for GetActivity {
    fn key(&self) -> Option<CacheKey> {
        Some(CacheKey::new(Namespace::Activity, format!("id={}", self.0)))
    }

    fn tags(&self) -> Vec<Tag> {
        vec![Tag::Activities]
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let found = from.uow.activities().find(self.0).await?;
        let activity = found.ok_or_else(Problem::not_found)?;
        let tag = EntityTag::of(activity.revision());
        Ok(Representation::of_version(tag, &ActivityView::from(activity)))
    }
}

/// Get an activity.
#[utoipa::path(
    tag = "activities",
    operation_id = "getActivity",
    params(("id" = uuid::Uuid, Path, description = "The activity's id."), IfNoneMatch),
    responses((status = 200, description = "The activity.", body = ActivityView)),
    extensions(("x-permit" = json!("ViewActivities"))),
)]
#[get("/activities/{id}")]
pub(super) async fn get(read: Read<ViewActivities>, id: PathId<Activity>) -> Result<HttpResponse, Problem> {
    read.answer(GetActivity(id.0)).await
}
