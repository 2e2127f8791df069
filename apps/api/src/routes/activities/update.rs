use actix_web::{HttpResponse, patch, web};
use fairlead_domain::access::WriteActivities;
use fairlead_domain::activities::{self, Activity, ActivityPatch, ChangeActivityError, RawActivityPatch};
use fairlead_domain::field::Change;
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::view::ActivityView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::{EntityTag, IfMatch};
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::{patch as partial, text};

/// What is to change of an activity: an absent field is kept, `null` empties it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ActivityPatch, example = json!({"subject": "Called about the renewal; calls back on Monday"}))]
struct ActivityPatchBody {
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(schema_with = text::line_or_null::<200>, required = false)]
    subject: Change<Option<String>>,
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(schema_with = text::prose_or_null::<10_000>, required = false)]
    body: Change<Option<String>>,
    #[serde(default, deserialize_with = "partial::moment")]
    #[schema(value_type = String, format = DateTime, required = false)]
    occurred_at: Change<OffsetDateTime>,
}

/// Change an activity that a person wrote.
///
/// An agent changes its own activities alone.
#[utoipa::path(
    tag = "activities",
    operation_id = "updateActivity",
    params(("id" = uuid::Uuid, Path, description = "The activity's id."), IfMatch, IdempotencyKey),
    request_body = ActivityPatchBody,
    responses(
        (status = 200, description = "The activity as it is now.", body = ActivityView),
        Problems<ChangeActivityError>,
    ),
    extensions(("x-permit" = json!("WriteActivities"))),
)]
#[patch("/activities/{id}")]
pub(super) async fn update(
    services: web::Data<Services>,
    permit: Permitted<WriteActivities>,
    id: PathId<Activity>,
    expected: IfMatch,
    key: IdempotencyKey,
    body: JsonBody<ActivityPatchBody>,
) -> Result<HttpResponse, Problem> {
    let ActivityPatchBody {
        subject,
        body: text,
        occurred_at,
    } = body.value;
    let patch = ActivityPatch::parse(RawActivityPatch {
        subject,
        body: text,
        occurred_at,
    })?;

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let activity = activities::update(&mut *uow, &permit, id.0, expected.0, patch).await?;

    let tag = EntityTag::of(activity.revision());
    uow.answer(WriteAnswer::changed(&tag, &ActivityView::from(activity)))
        .await
}
