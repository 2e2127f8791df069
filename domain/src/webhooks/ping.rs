use super::edit::find;
use super::{UpdateWebhookError, WebhookId, WebhookSnapshot};
use crate::Expected;
use crate::access::{ManageWebhooks, Permit};
use crate::events::{Aggregate, Recorded};
use crate::store::UnitOfWork;

/// The type of the event that a webhook is tried with. It goes to the webhook that it is about, and to no other.
pub const PING: &str = "webhook_pinged";

/// Has an event sent to a webhook, enabled or not, to see whether it arrives. It takes the way that all events take, and
/// is tried once.
pub async fn ping(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageWebhooks>,
    id: WebhookId,
) -> Result<(), UpdateWebhookError> {
    let webhook = find(uow, id, Expected::Any).await?;
    uow.record(
        Recorded::new("webhook_pinged", Aggregate::Webhook, id.as_uuid(), permit.actor())
            .after(&WebhookSnapshot::from(&webhook)),
    );
    Ok(())
}
