use fairlead_domain::webhooks::{Replay, ReplayProgress, ReplayState};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// How far a replay has come.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = ReplayState)]
enum StateName {
    /// It goes on through the log.
    Running,
    /// All that it sends is on its way: `pending` of it waits.
    Completed,
    /// The webhook was disabled or deleted meanwhile, or it failed again and again: begin another.
    Stopped,
    /// Events that it was to send are not kept any more, and those behind them were not sent.
    Expired,
}

impl From<ReplayState> for StateName {
    fn from(state: ReplayState) -> Self {
        match state {
            ReplayState::Running => Self::Running,
            ReplayState::Completed { .. } => Self::Completed,
            ReplayState::Stopped { .. } | ReplayState::GivenUp { .. } => Self::Stopped,
            ReplayState::Expired { .. } => Self::Expired,
        }
    }
}

/// A stretch of the log that is sent once more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Replay, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120007", "webhookId": "01934f6e-7b1a-7cc3-98a4-0242ac120005",
    "state": "RUNNING", "pending": 998, "succeeded": 12400, "failed": 2, "canceled": 0,
    "createdAt": "2026-11-20T09:30:00Z", "endedAt": null,
}))]
pub(super) struct ReplayView {
    /// `replayId` of its deliveries.
    id: Uuid,
    webhook_id: Uuid,
    state: StateName,
    /// Deliveries that wait, or are on their way.
    pending: u64,
    /// Those that the receiver has taken, and those that are not kept any more.
    succeeded: u64,
    /// Those that were given up.
    failed: u64,
    /// Those whose webhook was disabled when their turn came.
    canceled: u64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When all was on its way, or it has ended before.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    ended_at: Option<OffsetDateTime>,
}

impl ReplayView {
    pub(super) fn new(replay: &Replay, progress: ReplayProgress) -> Self {
        Self {
            id: replay.id.as_uuid(),
            webhook_id: replay.webhook.as_uuid(),
            state: replay.state.into(),
            pending: progress.pending,
            succeeded: progress.succeeded,
            failed: progress.failed,
            canceled: progress.canceled,
            created_at: replay.created_at,
            ended_at: replay.state.ended_at(),
        }
    }
}
