use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::WriteActivities;
use fairlead_domain::activities::{self, ActivityDraft, LogActivityError, RawActivity};
use fairlead_domain::leads::Lead;
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::view::ActivityView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::EntityTag;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::{moment, text};

const COLLECTION: &str = "/api/v1/activities";

/// The kinds of activities that people write.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE", as = ManualActivityType)]
#[expect(dead_code, reason = "documents the values of `type`")]
enum ManualTypeView {
    Note,
    Call,
    Email,
    Meeting,
    Task,
}

/// A new activity; it has a subject, a body, or both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewActivity, example = json!({"type": "CALL", "subject": "Called about the renewal"}))]
struct ActivityBody {
    #[schema(value_type = ManualTypeView)]
    r#type: String,
    #[schema(schema_with = text::line_or_null::<200>, required = false)]
    subject: Option<String>,
    #[schema(schema_with = text::prose_or_null::<10_000>, required = false)]
    body: Option<String>,
    /// Now, unless given.
    #[serde(default, deserialize_with = "moment::optional")]
    occurred_at: Option<OffsetDateTime>,
}

/// Log an activity of a lead.
///
/// An agent logs activities of its own leads and of nobody's.
#[utoipa::path(
    tag = "activities",
    operation_id = "logActivity",
    params(("id" = uuid::Uuid, Path, description = "The lead's id."), IdempotencyKey),
    request_body = ActivityBody,
    responses(
        (status = 201, description = "The activity as it is stored.", body = ActivityView),
        Problems<LogActivityError>,
    ),
    extensions(("x-permit" = json!("WriteActivities"))),
)]
#[post("/leads/{id}/activities")]
pub(super) async fn log(
    services: web::Data<Services>,
    permit: Permitted<WriteActivities>,
    id: PathId<Lead>,
    key: IdempotencyKey,
    body: JsonBody<ActivityBody>,
) -> Result<HttpResponse, Problem> {
    let ActivityBody {
        r#type,
        subject,
        body: text,
        occurred_at,
    } = body.value;
    let draft = ActivityDraft::parse(&RawActivity {
        kind: r#type,
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
    let activity = activities::log(&mut *uow, &permit, id.0, draft).await?;
    let tag = EntityTag::of(activity.revision());
    uow.answer(WriteAnswer::created(
        COLLECTION,
        &tag,
        &ActivityView::from(activity),
    ))
    .await
}
