use actix_web::{HttpResponse, patch, web};
use fairlead_domain::access::ManageWebhooks;
use fairlead_domain::field::Change;
use fairlead_domain::webhooks::{self, RawWebhookPatch, UpdateWebhookError, Webhook, WebhookPatch};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::WebhookView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::{EntityTag, IfMatch};
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::{patch as partial, text};

/// What is to change about a webhook; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = WebhookPatch, example = json!({"enabled": true}))]
struct WebhookPatchBody {
    /// Begins with `https://`; its host is a public one.
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(value_type = String, min_length = 1, max_length = 2000, pattern = "^https?://", required = false)]
    url: Change<String>,
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(schema_with = text::line_or_null::<200>, required = false)]
    description: Change<Option<String>>,
    /// The types of events that are sent from now on; all, when `null`.
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, required = false)]
    events: Change<Option<Vec<String>>>,
    /// One that is enabled again is sent what happens from then on; a replay sends what was before.
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(value_type = bool, required = false)]
    enabled: Change<bool>,
}

impl From<WebhookPatchBody> for RawWebhookPatch {
    fn from(body: WebhookPatchBody) -> Self {
        Self {
            url: body.url,
            description: body.description,
            events: body.events,
            enabled: body.enabled,
        }
    }
}

/// Change a webhook.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "updateWebhook",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id."), IfMatch, IdempotencyKey),
    request_body = WebhookPatchBody,
    responses(
        (status = 200, description = "The webhook as it is now.", body = WebhookView),
        Problems<UpdateWebhookError>,
    ),
    extensions(("x-permit" = json!("ManageWebhooks"))),
)]
#[patch("/webhooks/{id}")]
pub(super) async fn update(
    services: web::Data<Services>,
    permit: Permitted<ManageWebhooks>,
    id: PathId<Webhook>,
    expected: IfMatch,
    key: IdempotencyKey,
    body: JsonBody<WebhookPatchBody>,
) -> Result<HttpResponse, Problem> {
    let patch = WebhookPatch::parse(body.value.into(), &*services.webhooks.sender)?;

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let webhook = webhooks::update(&mut *uow, &permit, id.0, expected.0, patch).await?;

    let tag = EntityTag::of(webhook.revision());
    uow.answer(WriteAnswer::changed(&tag, &WebhookView::from(webhook)))
        .await
}
