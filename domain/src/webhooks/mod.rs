//! Webhooks: URLs of others that a tenant's events are sent to, signed, and until they are taken.
//!
//! A consumer of the log writes a delivery for each webhook that wants an event, and a job for each delivery
//! (`dispatch`), or has many written by jobs of their own (`dispatch_events`). The job of a delivery sends it, outside any transaction, and notes what became of it together with when it comes
//! again (`deliver`, `verdict`). The form on the wire is that of Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

mod deliver;
mod delivery;
mod disable;
mod dispatch;
mod dispatch_events;
mod edit;
mod message;
mod meters;
mod model;
mod ping;
mod port;
mod replay;
mod replay_step;
mod retry;
mod secret;
mod sender;
mod snapshot;
mod verdict;

pub use deliver::{DeliverWebhook, DeliverWebhookParts};
pub use delivery::{Attempt, Delivery, DeliveryId, DeliveryState};
pub use dispatch::DispatchWebhooks;
pub use dispatch_events::DispatchEvents;
pub use edit::{
    CreateWebhookError, NewWebhook, RawWebhook, RawWebhookPatch, UpdateWebhookError, WebhookDraft,
    WebhookPatch, create, delete, update,
};
pub use message::Message;
pub use meters::{WebhookMeters, WebhooksMonitor, WebhooksReport};
pub use model::{DisabledReason, EventSelection, Webhook, WebhookId, WebhookState};
pub use ping::{PING, ping};
pub use port::{
    Assignment, DeliveryFilter, NewDelivery, ReplayConflict, SealedSecrets, Subscriber, WebhookDeliveries,
    WebhookDirectory, WebhookReplays, Webhooks,
};
pub use replay::{Replay, ReplayError, ReplayId, ReplayProgress, ReplayState, StartReplay, start_replay};
pub use replay_step::ReplayWebhook;
pub use retry::{RetryDeliveryError, retry};
pub use secret::{
    OLD_SECRET_LIFETIME, OLD_SECRET_LONGEST, RotateSecretError, SigningSecrets, old_secret_lifetime,
    rotate_secret,
};
pub use sender::{Answer, Place, RefusedUrl, SendFault, WebhookSender};
pub use snapshot::WebhookSnapshot;
pub use verdict::TRIED_FOR;
