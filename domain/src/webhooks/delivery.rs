use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{PING, ReplayId, WebhookId};
use crate::Id;
use crate::jobs::DeadJob;

/// One event on its way to one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub webhook: WebhookId,
    pub event: Uuid,
    pub event_type: String,
    /// The replay that it is part of; `None`: the event was sent when it happened.
    pub replay: Option<ReplayId>,
    pub state: DeliveryState,
    /// Those that are known to have ended.
    pub attempts: u32,
    pub last: Option<Attempt>,
    /// From here on it is tried for as long as deliveries are.
    pub tried_since: OffsetDateTime,
    /// When it has first failed, of that time.
    pub failing_since: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
}

pub type DeliveryId = Id<Delivery>;

impl Delivery {
    /// Names the job that sends it.
    pub const JOB: &'static str = "deliver-webhook";
    /// What the unique key of its job begins with.
    pub const JOB_KEY: &'static str = "delivery:";

    /// Whether it was asked for to see whether the webhook works; then it is tried once.
    pub fn is_ping(&self) -> bool {
        self.event_type == PING
    }

    /// Keeps a second job for the same delivery out of the queue.
    pub fn job_key(id: DeliveryId) -> String {
        format!("{}{id}", Self::JOB_KEY)
    }

    /// Whose job it was.
    pub(super) fn of_job_key(job: &DeadJob) -> Option<DeliveryId> {
        let id = job.unique_key.as_deref()?.strip_prefix(Self::JOB_KEY)?;
        id.parse().ok().map(Id::from_uuid)
    }
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It waits, or is on its way.
    Pending { next_at: OffsetDateTime },
    /// The receiver has taken it.
    Succeeded { at: OffsetDateTime },
    /// It was given up.
    Failed { at: OffsetDateTime },
    /// The webhook was disabled when its turn came.
    Canceled { at: OffsetDateTime },
}

impl DeliveryState {
    pub const NAMES: [&'static str; 4] = ["PENDING", "SUCCEEDED", "FAILED", "CANCELED"];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending { .. } => Self::NAMES[0],
            Self::Succeeded { .. } => Self::NAMES[1],
            Self::Failed { .. } => Self::NAMES[2],
            Self::Canceled { .. } => Self::NAMES[3],
        }
    }

    /// Puts together what is stored apart.
    pub fn of(name: &str, next_at: Option<OffsetDateTime>, ended_at: Option<OffsetDateTime>) -> Option<Self> {
        match (name, next_at, ended_at) {
            ("PENDING", Some(next_at), None) => Some(Self::Pending { next_at }),
            ("SUCCEEDED", None, Some(at)) => Some(Self::Succeeded { at }),
            ("FAILED", None, Some(at)) => Some(Self::Failed { at }),
            ("CANCELED", None, Some(at)) => Some(Self::Canceled { at }),
            _ => None,
        }
    }

    pub fn is_pending(self) -> bool {
        matches!(self, Self::Pending { .. })
    }

    pub fn next_at(self) -> Option<OffsetDateTime> {
        match self {
            Self::Pending { next_at } => Some(next_at),
            Self::Succeeded { .. } | Self::Failed { .. } | Self::Canceled { .. } => None,
        }
    }

    pub fn ended_at(self) -> Option<OffsetDateTime> {
        match self {
            Self::Pending { .. } => None,
            Self::Succeeded { at } | Self::Failed { at } | Self::Canceled { at } => Some(at),
        }
    }
}

/// What is known of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: OffsetDateTime,
    /// What the receiver answered, if it did.
    pub status: Option<u16>,
    pub took: Duration,
    /// Why it has failed; `None`: it has not.
    pub fault: Option<String>,
}
