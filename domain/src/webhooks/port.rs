use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Delivery, DeliveryId, DeliveryState, EventSelection, Replay, ReplayId, ReplayProgress, Webhook, WebhookId,
};
use crate::events::EventCursor;
use crate::identity::TenantId;
use crate::paging::{Page, Paging};
use crate::store::StoreError;

/// The webhooks of one tenant.
#[async_trait]
pub trait Webhooks: Send {
    async fn find(&mut self, id: WebhookId) -> Result<Option<Webhook>, StoreError>;
    async fn find_for_update(&mut self, id: WebhookId) -> Result<Option<Webhook>, StoreError>;
    /// Newest first.
    async fn list(&mut self, paging: &Paging) -> Result<Page<Webhook>, StoreError>;
    async fn count(&mut self) -> Result<u64, StoreError>;
    async fn insert(&mut self, webhook: &Webhook, secret: &[u8]) -> Result<(), StoreError>;
    /// The stored version becomes one more than `webhook.version`. One that was disabled and is not any more is sent
    /// what happens from now on, and counts as well.
    async fn update(&mut self, webhook: &Webhook) -> Result<(), StoreError>;
    /// Puts another secret in the place of the present one, which becomes the old one if that is kept. Before
    /// [`Self::update`].
    async fn replace_secret(
        &mut self,
        id: WebhookId,
        secret: &[u8],
        keeps_old: bool,
    ) -> Result<(), StoreError>;
    async fn delete(&mut self, id: WebhookId) -> Result<(), StoreError>;

    /// All of the tenant, for those who look which of them want an event.
    async fn subscribers(&mut self) -> Result<Vec<Subscriber>, StoreError>;

    /// Takes note that its receiver has taken something. Writes where it was failing.
    async fn note_success(&mut self, id: WebhookId) -> Result<(), StoreError>;
    /// Takes note that its receiver has not. Writes where it was well, and every few minutes. Where no failure was noted
    /// for `unseen`, it counts as failing since now: nobody knows of the time between.
    async fn note_failure(
        &mut self,
        id: WebhookId,
        at: OffsetDateTime,
        unseen: Duration,
    ) -> Result<(), StoreError>;
    /// Since when nothing was taken, if nothing was, and it was tried all the time.
    async fn failing_since(&mut self, id: WebhookId) -> Result<Option<OffsetDateTime>, StoreError>;
}

/// A webhook, as one who has an event sees it.
#[derive(Clone, Debug)]
pub struct Subscriber {
    pub id: WebhookId,
    pub events: EventSelection,
    pub is_enabled: bool,
    /// Whether its receiver has taken nothing since it has failed.
    pub is_failing: bool,
    /// Where in the log it was made, or enabled again: what stands behind that is sent to it.
    pub since: EventCursor,
}

/// The deliveries of one tenant.
#[async_trait]
pub trait WebhookDeliveries: Send {
    /// Adds deliveries that wait for their first attempt.
    async fn add(&mut self, deliveries: &[NewDelivery]) -> Result<(), StoreError>;
    /// A delivery with what it takes to make it; `None`: it, or its webhook, is gone.
    async fn assignment(&mut self, id: DeliveryId) -> Result<Option<Assignment>, StoreError>;
    async fn find_for_update(
        &mut self,
        webhook: WebhookId,
        id: DeliveryId,
    ) -> Result<Option<Delivery>, StoreError>;
    /// Newest first.
    async fn list(
        &mut self,
        webhook: WebhookId,
        filter: DeliveryFilter,
        paging: &Paging,
    ) -> Result<Page<Delivery>, StoreError>;
    async fn update(&mut self, delivery: &Delivery) -> Result<(), StoreError>;
    /// Ends a delivery that is pending, and whatever else is known of it stays: it may be that its webhook is gone, or
    /// that it cannot be read.
    async fn end_pending(&mut self, id: DeliveryId, state: DeliveryState) -> Result<(), StoreError>;
    /// How many of a webhook wait; nobody counts beyond `most`.
    async fn count_pending(&mut self, webhook: WebhookId, most: u32) -> Result<u32, StoreError>;
}

/// A delivery that is to be made.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    pub id: DeliveryId,
    pub webhook: WebhookId,
    pub event: Uuid,
    pub event_type: String,
    pub replay: Option<ReplayId>,
    /// Whether its receiver is failing, as far as is known.
    pub is_failing: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct DeliveryFilter {
    /// One of [`DeliveryState::NAMES`](super::DeliveryState::NAMES).
    pub state: Option<&'static str>,
}

/// A delivery with what it takes to make it.
#[derive(Clone, Debug)]
pub struct Assignment {
    pub delivery: Delivery,
    pub webhook: Webhook,
    pub secrets: SealedSecrets,
    /// Whether its receiver has taken nothing since it has failed.
    pub is_failing: bool,
}

/// The secrets of a webhook as they are stored.
#[derive(Clone)]
pub struct SealedSecrets {
    pub present: Vec<u8>,
    /// It counts until [`Webhook::old_secret_until`].
    pub old: Option<Vec<u8>>,
}

impl Debug for SealedSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedSecrets(…)")
    }
}

/// The replays of one tenant.
#[async_trait]
pub trait WebhookReplays: Send {
    /// Begins a replay. Where its `until` is `None` it ends before what is recorded after this unit of work.
    async fn insert(&mut self, replay: &Replay) -> Result<(), ReplayConflict>;
    async fn find(&mut self, webhook: WebhookId, id: ReplayId) -> Result<Option<Replay>, StoreError>;
    /// What has become of its deliveries so far. Those that are not kept any more count as taken.
    async fn progress(&mut self, id: ReplayId) -> Result<ReplayProgress, StoreError>;
    async fn find_for_update(&mut self, id: ReplayId) -> Result<Option<Replay>, StoreError>;
    async fn update(&mut self, replay: &Replay) -> Result<(), StoreError>;
    /// Has a replay run that was given up; returns whether it does: no other one of its webhook is running.
    async fn resume(&mut self, replay: &Replay) -> Result<bool, StoreError>;
    /// Stops the replay of a webhook that is running, if there is one. None that was given up goes on any more.
    async fn stop(&mut self, webhook: WebhookId) -> Result<(), StoreError>;
}

/// Why a replay could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum ReplayConflict {
    #[error("another replay of this webhook is under way")]
    UnderWay,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Knows which tenants have webhooks at all.
#[async_trait]
pub trait WebhookDirectory: Debug + Send + Sync {
    /// Returns those of `tenants` that have any, enabled or not.
    async fn with_webhooks(&self, tenants: Vec<TenantId>) -> Result<Vec<TenantId>, StoreError>;
}
