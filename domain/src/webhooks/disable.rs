use super::{Delivery, DisabledReason, WebhookId, WebhookSnapshot, WebhookState};
use crate::access::Actor;
use crate::events::{Aggregate, Recorded, Source};
use crate::store::{StoreError, UnitOfWork};

/// Disables a webhook that has taken nothing since a delivery began to fail, which was given up now.
pub(super) async fn disable_if_failing(
    uow: &mut dyn UnitOfWork,
    delivery: &Delivery,
) -> Result<bool, StoreError> {
    let failing_since = uow.webhooks().failing_since(delivery.webhook).await?;
    match (failing_since, delivery.failing_since) {
        (Some(webhook), Some(delivery_since)) if webhook <= delivery_since => {
            disable(uow, delivery.webhook, DisabledReason::Failing).await
        }
        _ => Ok(false),
    }
}

/// Disables a webhook, with an event and a row of the audit trail that say so. Returns whether it was enabled until now.
pub(super) async fn disable(
    uow: &mut dyn UnitOfWork,
    id: WebhookId,
    reason: DisabledReason,
) -> Result<bool, StoreError> {
    let Some(before) = uow.webhooks().find_for_update(id).await? else {
        return Ok(false);
    };
    if !before.state.is_enabled() {
        return Ok(false);
    }
    let now = uow.now();
    let mut after = before.clone();
    after.state = WebhookState::Disabled { reason, since: now };
    after.updated_at = now;
    uow.webhooks().update(&after).await?;
    uow.webhook_replays().stop(id).await?;
    after.version += 1;
    uow.record(
        Recorded::new(
            "webhook_disabled",
            Aggregate::Webhook,
            id.as_uuid(),
            Actor::System,
        )
        .by(Source::System)
        .before(&WebhookSnapshot::from(&before))
        .after(&WebhookSnapshot::from(&after)),
    );
    Ok(true)
}
