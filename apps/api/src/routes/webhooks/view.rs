use fairlead_domain::webhooks::{DisabledReason, NewWebhook, Webhook};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Why a webhook is sent nothing.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = WebhookDisabledReason)]
enum ReasonName {
    /// Somebody has switched it off.
    Requested,
    /// Its receiver has answered 410.
    Gone,
    /// An event was not taken for 24 hours, and no other was in that time.
    Failing,
}

impl From<DisabledReason> for ReasonName {
    fn from(reason: DisabledReason) -> Self {
        match reason {
            DisabledReason::Requested => Self::Requested,
            DisabledReason::Gone => Self::Gone,
            DisabledReason::Failing => Self::Failing,
        }
    }
}

/// A URL that events are sent to, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Webhook, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120005", "url": "https://example.com/fairlead", "description": "Our CRM",
    "events": ["lead_created", "lead_updated"], "enabled": true, "disabledReason": null, "disabledAt": null,
    "oldSecretUntil": null, "version": 1, "createdAt": "2026-11-20T09:30:00Z", "updatedAt": "2026-11-20T09:30:00Z",
}))]
pub(super) struct WebhookView {
    id: Uuid,
    url: String,
    #[schema(required = true)]
    description: Option<String>,
    /// The types of events that are sent; `null`: all.
    #[schema(required = true)]
    events: Option<Vec<String>>,
    enabled: bool,
    /// Why it is sent nothing; `null` while it is enabled.
    #[schema(required = true)]
    disabled_reason: Option<ReasonName>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    disabled_at: Option<OffsetDateTime>,
    /// Until when events are signed with the secret before the present one, too.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    old_secret_until: Option<OffsetDateTime>,
    /// One more with each change; its `ETag`.
    #[schema(minimum = 1)]
    version: i64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        let disabled = webhook.state.disabled();
        Self {
            id: webhook.id.as_uuid(),
            events: webhook.events.names().map(<[String]>::to_vec),
            url: webhook.url,
            description: webhook.description,
            enabled: disabled.is_none(),
            disabled_reason: disabled.map(|(reason, _)| reason.into()),
            disabled_at: disabled.map(|(_, since)| since),
            old_secret_until: webhook.old_secret_until,
            version: webhook.version,
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
        }
    }
}

/// A webhook with its secret; not to be printed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookWithSecret, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120005", "url": "https://example.com/fairlead", "description": "Our CRM",
    "events": ["lead_created", "lead_updated"], "enabled": true, "disabledReason": null, "disabledAt": null,
    "oldSecretUntil": null, "version": 1, "createdAt": "2026-11-20T09:30:00Z", "updatedAt": "2026-11-20T09:30:00Z",
    "secret": "whsec_…",
}))]
pub(super) struct WebhookWithSecretView {
    #[serde(flatten)]
    webhook: WebhookView,
    /// What events are signed with, told this once.
    secret: String,
}

impl From<NewWebhook> for WebhookWithSecretView {
    fn from(new: NewWebhook) -> Self {
        Self {
            secret: new.secret.expose().to_owned(),
            webhook: new.webhook.into(),
        }
    }
}
