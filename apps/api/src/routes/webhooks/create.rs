use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::ManageWebhooks;
use fairlead_domain::webhooks::{self, CreateWebhookError, RawWebhook, WebhookDraft};
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::WebhookWithSecretView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::EntityTag;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::text;

/// A new webhook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewWebhook, example = json!({
    "url": "https://example.com/fairlead", "description": "Our CRM", "events": ["lead_created", "lead_updated"],
}))]
struct WebhookBody {
    /// Begins with `https://`; its host is a public one.
    #[schema(min_length = 1, max_length = 2000, pattern = "^https?://")]
    url: String,
    #[serde(default)]
    #[schema(schema_with = text::line_or_null::<200>)]
    description: Option<String>,
    /// The types of events that are sent, such as `lead_created`; all, when absent or `null`.
    #[serde(default)]
    #[schema(min_items = 1)]
    events: Option<Vec<String>>,
    /// Whether events are sent from now on.
    #[serde(default)]
    #[schema(default = true)]
    enabled: Option<bool>,
}

impl From<WebhookBody> for RawWebhook {
    fn from(body: WebhookBody) -> Self {
        Self {
            url: body.url,
            description: body.description,
            events: body.events,
            enabled: body.enabled,
        }
    }
}

/// Create a webhook.
///
/// The events of the tenant are posted to its URL from now on, in the form of Standard Webhooks: see *docs/webhooks.md*.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "createWebhook",
    params(IdempotencyKey),
    request_body = WebhookBody,
    responses(
        (status = 201, description = "The webhook, with its secret shown this once.", body = WebhookWithSecretView),
        Problems<CreateWebhookError>,
    ),
    extensions(("x-permit" = json!("ManageWebhooks"))),
)]
#[post("/webhooks")]
pub(super) async fn create(
    services: web::Data<Services>,
    permit: Permitted<ManageWebhooks>,
    key: IdempotencyKey,
    body: JsonBody<WebhookBody>,
) -> Result<HttpResponse, Problem> {
    let webhooks = &services.webhooks;
    let draft = WebhookDraft::parse(body.value.into(), &*webhooks.sender)?;

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let created = webhooks::create(&mut *uow, &permit, &*webhooks.secrets, webhooks.max, draft).await?;

    let webhook = &created.webhook;
    let (location, tag) = (
        format!("/api/v1/webhooks/{}", webhook.id),
        EntityTag::of(webhook.revision()),
    );
    let view = WebhookWithSecretView::from(created);
    let answer = WriteAnswer::new(StatusCode::CREATED, &view)
        .at(location)
        .tagged(&tag);
    uow.answer(answer.telling_secret()).await
}
