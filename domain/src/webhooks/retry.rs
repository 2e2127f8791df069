use super::{Delivery, DeliveryId, DeliveryState, WebhookId};
use crate::access::{ManageWebhooks, Permit};
use crate::jobs::{NewJob, Queue};
use crate::store::{StoreError, UnitOfWork};

#[derive(Debug, thiserror::Error)]
pub enum RetryDeliveryError {
    #[error("there is no such delivery of this webhook")]
    NotFound,
    #[error("the webhook is disabled: enable it first")]
    Disabled,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Has a delivery made now: one that waits does not wait any longer, and one that has ended is made once more, and tried
/// for as long as a new one.
pub async fn retry(
    uow: &mut dyn UnitOfWork,
    _: &Permit<ManageWebhooks>,
    webhook: WebhookId,
    id: DeliveryId,
) -> Result<Delivery, RetryDeliveryError> {
    let (found, webhook) = (
        uow.webhook_deliveries().find_for_update(webhook, id).await?,
        uow.webhooks().find(webhook).await?,
    );
    let (Some(mut delivery), Some(webhook)) = (found, webhook) else {
        return Err(RetryDeliveryError::NotFound);
    };
    if !webhook.state.is_enabled() && !delivery.is_ping() {
        return Err(RetryDeliveryError::Disabled);
    }
    let now = uow.now();
    if !delivery.state.is_pending() {
        delivery.tried_since = now;
        delivery.failing_since = None;
    }
    delivery.state = DeliveryState::Pending { next_at: now };
    uow.webhook_deliveries().update(&delivery).await?;
    let key = Delivery::job_key(id);
    uow.jobs().hasten(Queue::Webhooks, &key).await?;
    uow.jobs()
        .enqueue(NewJob::new(Queue::Webhooks, Delivery::JOB, &id.as_uuid()).unique(key))
        .await?;
    Ok(delivery)
}
