use super::{
    DisabledReason, EventSelection, SigningSecrets, Webhook, WebhookId, WebhookSender, WebhookSnapshot,
    WebhookState,
};
use crate::access::{ManageWebhooks, Permit};
use crate::events::{Aggregate, Recorded};
use crate::field::Change;
use crate::identity::Secret;
use crate::invalid::{Faults, Invalid};
use crate::store::{StoreError, UnitOfWork};
use crate::{Expected, Id, text};

/// The most characters of a description.
const DESCRIPTION: usize = 200;

/// A new webhook as it came in.
#[derive(Clone, Debug, Default)]
pub struct RawWebhook {
    pub url: String,
    pub description: Option<String>,
    /// `None`: all.
    pub events: Option<Vec<String>>,
    /// `true`.
    pub enabled: Option<bool>,
}

/// A new webhook whose every field is in order.
#[derive(Clone, Debug)]
pub struct WebhookDraft {
    url: String,
    description: Option<String>,
    events: EventSelection,
    enabled: bool,
}

impl WebhookDraft {
    pub fn parse(raw: RawWebhook, sender: &dyn WebhookSender) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let url = faults.keep("url", sender.check(&raw.url));
        let description = raw.description.map(|prose| text::line(&prose, DESCRIPTION));
        let description = faults.keep_optional("description", description);
        let events = faults.keep("events", EventSelection::parse(raw.events));
        faults.finish()?;
        Ok(Self {
            url: url.unwrap_or_default(),
            description,
            events: events.unwrap_or(EventSelection::All),
            enabled: raw.enabled.unwrap_or(true),
        })
    }
}

/// A partial update as it came in.
#[derive(Clone, Debug, Default)]
pub struct RawWebhookPatch {
    pub url: Change<String>,
    pub description: Change<Option<String>>,
    pub events: Change<Option<Vec<String>>>,
    pub enabled: Change<bool>,
}

/// A partial update whose every field is in order.
#[derive(Clone, Debug, Default)]
pub struct WebhookPatch {
    url: Change<String>,
    description: Change<Option<String>>,
    events: Change<EventSelection>,
    enabled: Change<bool>,
}

impl WebhookPatch {
    pub fn parse(raw: RawWebhookPatch, sender: &dyn WebhookSender) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let url = faults.keep("url", raw.url.try_map(|url| sender.check(&url)));
        let description =
            |prose: Option<String>| prose.map(|prose| text::line(&prose, DESCRIPTION)).transpose();
        let description = faults.keep("description", raw.description.try_map(description));
        let events = faults.keep("events", raw.events.try_map(EventSelection::parse));
        faults.finish()?;
        Ok(Self {
            url: url.unwrap_or_default(),
            description: description.unwrap_or_default(),
            events: events.unwrap_or_default(),
            enabled: raw.enabled,
        })
    }
}

/// A webhook with its secret, which is told once.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    pub webhook: Webhook,
    pub secret: Secret,
}

#[derive(Debug, thiserror::Error)]
pub enum CreateWebhookError {
    #[error("a tenant has at most {max} webhooks; delete one first")]
    TooMany { max: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a webhook; a tenant has `max` of them at the most.
pub async fn create(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageWebhooks>,
    secrets: &dyn SigningSecrets,
    max: u64,
    draft: WebhookDraft,
) -> Result<NewWebhook, CreateWebhookError> {
    // The tenant's row is locked while its webhooks are counted.
    uow.tenants().get_for_update().await?;
    if uow.webhooks().count().await? >= max {
        return Err(CreateWebhookError::TooMany { max });
    }
    let now = uow.now();
    let webhook = Webhook {
        id: Id::from_uuid(uow.next_id()),
        url: draft.url,
        description: draft.description,
        events: draft.events,
        state: if draft.enabled {
            WebhookState::Enabled
        } else {
            WebhookState::Disabled {
                reason: DisabledReason::Requested,
                since: now,
            }
        },
        old_secret_until: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let secret = secrets.make();
    let sealed = secrets.seal(&secret, uow.tenant(), webhook.id);
    uow.webhooks().insert(&webhook, &sealed).await?;
    uow.record(
        Recorded::new(
            "webhook_created",
            Aggregate::Webhook,
            webhook.id.as_uuid(),
            permit.actor(),
        )
        .after(&WebhookSnapshot::from(&webhook)),
    );
    Ok(NewWebhook { webhook, secret })
}

#[derive(Debug, thiserror::Error)]
pub enum UpdateWebhookError {
    #[error("there is no such webhook")]
    NotFound,
    #[error("the webhook has changed since: its version is {current}")]
    Stale { current: i64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes a webhook. One that is enabled again is sent what happens from then on.
pub async fn update(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageWebhooks>,
    id: WebhookId,
    expected: Expected,
    patch: WebhookPatch,
) -> Result<Webhook, UpdateWebhookError> {
    let before = find(uow, id, expected).await?;
    let mut after = before.clone();
    patch.url.apply(&mut after.url);
    patch.description.apply(&mut after.description);
    patch.events.apply(&mut after.events);
    match (patch.enabled, before.state) {
        (Change::Set(true), _) => after.state = WebhookState::Enabled,
        (Change::Set(false), WebhookState::Enabled) => {
            after.state = WebhookState::Disabled {
                reason: DisabledReason::Requested,
                since: uow.now(),
            };
        }
        // It stays disabled for the reason that it was.
        (Change::Set(false), WebhookState::Disabled { .. }) | (Change::Keep, _) => {}
    }
    if after == before {
        return Ok(before);
    }
    after.updated_at = uow.now();
    uow.webhooks().update(&after).await?;
    if !after.state.is_enabled() {
        uow.webhook_replays().stop(id).await?;
    }
    after.version += 1;
    uow.record(
        Recorded::new(
            "webhook_updated",
            Aggregate::Webhook,
            id.as_uuid(),
            permit.actor(),
        )
        .before(&WebhookSnapshot::from(&before))
        .after(&WebhookSnapshot::from(&after)),
    );
    Ok(after)
}

/// Deletes a webhook. What waits for it is not sent any more.
pub async fn delete(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageWebhooks>,
    id: WebhookId,
    expected: Expected,
) -> Result<(), UpdateWebhookError> {
    let webhook = find(uow, id, expected).await?;
    uow.webhook_replays().stop(id).await?;
    uow.webhooks().delete(id).await?;
    uow.record(
        Recorded::new(
            "webhook_deleted",
            Aggregate::Webhook,
            id.as_uuid(),
            permit.actor(),
        )
        .before(&WebhookSnapshot::from(&webhook)),
    );
    Ok(())
}

pub(super) async fn find(
    uow: &mut dyn UnitOfWork,
    id: WebhookId,
    expected: Expected,
) -> Result<Webhook, UpdateWebhookError> {
    let webhook = uow
        .webhooks()
        .find_for_update(id)
        .await?
        .ok_or(UpdateWebhookError::NotFound)?;
    if expected.matches(webhook.revision()) {
        Ok(webhook)
    } else {
        Err(UpdateWebhookError::Stale {
            current: webhook.version,
        })
    }
}
