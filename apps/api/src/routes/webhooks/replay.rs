use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::ManageWebhooks;
use fairlead_domain::webhooks::{self, ReplayError, ReplayProgress, StartReplay, Webhook};
use serde::Deserialize;
use utoipa::ToSchema;

use super::replay_view::ReplayView;
use crate::Services;
use crate::authentication::Permitted;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Which events are to be sent once more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewReplay, example = json!({"cursor": null}))]
struct ReplayBody {
    /// A cursor of the log of events: what comes behind it is sent. `null`: from the beginning of what is kept.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(
        required = true,
        min_length = 44,
        max_length = 44,
        pattern = "^[A-Za-z0-9_-]{44}$"
    )]
    cursor: Option<String>,
    /// The last event that is sent, behind `cursor`; up to now, when absent or `null`.
    #[serde(default)]
    #[schema(min_length = 44, max_length = 44, pattern = "^[A-Za-z0-9_-]{44}$")]
    until: Option<String>,
}

/// Send events of the log to a webhook once more.
///
/// Those of the types that the webhook wants now, each with the id that it had, also those that it has taken. They are
/// sent step by step, behind what happens meanwhile: no more than a thousand wait for a webhook at a time. A webhook has
/// one replay at a time; to stop it, disable the webhook.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "replayEvents",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id."), IdempotencyKey),
    request_body = ReplayBody,
    responses((status = 202, description = "It has begun.", body = ReplayView), Problems<ReplayError>),
    extensions(("x-permit" = json!("ManageWebhooks"))),
)]
#[post("/webhooks/{id}/replay")]
pub(super) async fn replay_events(
    services: web::Data<Services>,
    permit: Permitted<ManageWebhooks>,
    id: PathId<Webhook>,
    key: IdempotencyKey,
    body: JsonBody<ReplayBody>,
) -> Result<HttpResponse, Problem> {
    let ReplayBody { cursor, until } = body.value;
    let cursors = services.cursors.of(permit.scope());
    let open = |cursor: String| cursors.open_event(&cursor);
    let cmd = StartReplay::parse(cursor.map(open).transpose()?, until.map(open).transpose()?)?;

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let replay = webhooks::start_replay(&mut *uow, &permit, id.0, cmd).await?;

    let view = ReplayView::new(&replay, ReplayProgress::default());
    uow.answer(WriteAnswer::new(StatusCode::ACCEPTED, &view)).await
}
