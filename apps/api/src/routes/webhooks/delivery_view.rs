use fairlead_domain::webhooks::{Delivery, DeliveryState};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::units::milliseconds;

/// What became of a delivery.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = DeliveryState)]
pub(super) enum StateName {
    /// It waits, or is on its way.
    Pending,
    /// The receiver has taken it.
    Succeeded,
    /// It was given up.
    Failed,
    /// The webhook was disabled when its turn came.
    Canceled,
}

impl From<DeliveryState> for StateName {
    fn from(state: DeliveryState) -> Self {
        match state {
            DeliveryState::Pending { .. } => Self::Pending,
            DeliveryState::Succeeded { .. } => Self::Succeeded,
            DeliveryState::Failed { .. } => Self::Failed,
            DeliveryState::Canceled { .. } => Self::Canceled,
        }
    }
}

/// One event on its way to a webhook.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Delivery, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120006", "eventId": "01934f6e-7b1a-7cc3-98a4-0242ac120009",
    "eventType": "lead_created", "replayId": null, "state": "PENDING", "attempts": 2,
    "lastAttemptAt": "2026-11-20T09:30:05Z", "statusCode": 503, "tookMs": 41.0,
    "fault": "the receiver answered 503", "nextAttemptAt": "2026-11-20T09:30:12Z", "endedAt": null,
    "createdAt": "2026-11-20T09:30:00Z",
}))]
pub(super) struct DeliveryView {
    id: Uuid,
    /// `webhook-id` of what is sent, the same in each attempt.
    event_id: Uuid,
    event_type: String,
    /// The replay that it is part of.
    #[schema(required = true)]
    replay_id: Option<Uuid>,
    state: StateName,
    /// How many have ended.
    attempts: u32,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    last_attempt_at: Option<OffsetDateTime>,
    /// What the receiver answered to the last attempt; `null`: nothing.
    #[schema(required = true, minimum = 100, maximum = 999)]
    status_code: Option<u16>,
    /// How long the last attempt took, in milliseconds.
    #[schema(required = true, minimum = 0)]
    took_ms: Option<f64>,
    /// Why the last attempt has failed.
    #[schema(required = true)]
    fault: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    next_attempt_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    ended_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let last = delivery.last;
        Self {
            id: delivery.id.as_uuid(),
            event_id: delivery.event,
            event_type: delivery.event_type,
            replay_id: delivery.replay.map(fairlead_domain::Id::as_uuid),
            state: delivery.state.into(),
            attempts: delivery.attempts,
            last_attempt_at: last.as_ref().map(|last| last.at),
            status_code: last.as_ref().and_then(|last| last.status),
            took_ms: last.as_ref().map(|last| milliseconds(last.took)),
            fault: last.and_then(|last| last.fault),
            next_attempt_at: delivery.state.next_at(),
            ended_at: delivery.state.ended_at(),
            created_at: delivery.created_at,
        }
    }
}
