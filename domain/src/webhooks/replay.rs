use time::OffsetDateTime;

use super::{ReplayConflict, WebhookId};
use crate::Id;
use crate::access::{ManageWebhooks, Permit};
use crate::events::{Aggregate, EventCursor, EventsDropped, Recorded};
use crate::invalid::Invalid;
use crate::jobs::{DeadJob, NewJob, Queue};
use crate::store::{StoreError, UnitOfWork};

use super::WebhookSnapshot;

/// Sending a stretch of the log to a webhook once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    pub id: ReplayId,
    pub webhook: WebhookId,
    /// All up to here is under way.
    pub place: EventCursor,
    /// The last that is sent; `None`: all that was acknowledged before it is begun.
    pub until: Option<EventCursor>,
    /// Whether all up to there can be read: no transaction is under way that may still add to it.
    pub is_settled: bool,
    pub state: ReplayState,
    /// Deliveries it has made so far.
    pub deliveries: u64,
    pub created_at: OffsetDateTime,
}

pub type ReplayId = Id<Replay>;

/// What has become of the deliveries of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayProgress {
    pub pending: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub canceled: u64,
}

impl Replay {
    /// What the unique key of its job begins with.
    pub const JOB_KEY: &'static str = "replay:";
    /// Names the job that does a step of it.
    pub const JOB: &'static str = "replay-webhook";

    /// Keeps a second job for the same replay out of the queue.
    pub(super) fn job(&self) -> NewJob {
        NewJob::new(Queue::Webhooks, Self::JOB, &self.id.as_uuid()).unique(format!(
            "{}{}",
            Self::JOB_KEY,
            self.id
        ))
    }

    /// Whose job it was.
    pub(super) fn of_job_key(job: &DeadJob) -> Option<ReplayId> {
        let id = job.unique_key.as_deref()?.strip_prefix(Self::JOB_KEY)?;
        id.parse().ok().map(Id::from_uuid)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayState {
    Running,
    Completed {
        at: OffsetDateTime,
    },
    /// The webhook was disabled or deleted meanwhile.
    Stopped {
        at: OffsetDateTime,
    },
    /// Its job was given up. It goes on where it stopped if an operator has that tried again.
    GivenUp {
        at: OffsetDateTime,
    },
    /// Some of what it was to send was dropped, because it was older than events are kept.
    Expired {
        at: OffsetDateTime,
    },
}

impl ReplayState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed { .. } => "COMPLETED",
            Self::Stopped { .. } | Self::GivenUp { .. } => "STOPPED",
            Self::Expired { .. } => "EXPIRED",
        }
    }

    /// Puts together what is stored apart.
    pub fn of(name: &str, ended_at: Option<OffsetDateTime>, is_given_up: bool) -> Option<Self> {
        match (name, ended_at) {
            ("RUNNING", None) => Some(Self::Running),
            ("COMPLETED", Some(at)) => Some(Self::Completed { at }),
            ("STOPPED", Some(at)) if is_given_up => Some(Self::GivenUp { at }),
            ("STOPPED", Some(at)) => Some(Self::Stopped { at }),
            ("EXPIRED", Some(at)) => Some(Self::Expired { at }),
            _ => None,
        }
    }

    pub fn is_given_up(self) -> bool {
        matches!(self, Self::GivenUp { .. })
    }

    pub fn ended_at(self) -> Option<OffsetDateTime> {
        match self {
            Self::Running => None,
            Self::Completed { at } | Self::Stopped { at } | Self::GivenUp { at } | Self::Expired { at } => {
                Some(at)
            }
        }
    }
}

/// What is to be sent once more.
#[derive(Clone, Copy, Debug)]
pub struct StartReplay {
    /// What comes behind it in the log; `None`: all that is kept.
    pub after: Option<EventCursor>,
    /// The last; `None`: all that was acknowledged until now.
    pub until: Option<EventCursor>,
}

impl StartReplay {
    pub fn parse(after: Option<EventCursor>, until: Option<EventCursor>) -> Result<Self, Invalid> {
        if until.is_some_and(|until| until <= after.unwrap_or(EventCursor::START)) {
            let fault =
                "must lie behind `cursor` in the log, or nothing is sent; leave it out to send all up to now";
            return Err(Invalid::field("until", fault));
        }
        Ok(Self { after, until })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("there is no such webhook")]
    NotFound,
    #[error("the webhook is disabled: enable it first")]
    Disabled,
    #[error("another replay of this webhook is under way")]
    UnderWay,
    #[error(transparent)]
    Dropped(#[from] EventsDropped),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Has events of the log sent to a webhook once more, as far as it wants them.
pub async fn start_replay(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageWebhooks>,
    id: WebhookId,
    cmd: StartReplay,
) -> Result<Replay, ReplayError> {
    let webhook = uow
        .webhooks()
        .find_for_update(id)
        .await?
        .ok_or(ReplayError::NotFound)?;
    if !webhook.state.is_enabled() {
        return Err(ReplayError::Disabled);
    }
    let dropped = uow.events().dropped().await?;
    if cmd.after.is_some_and(|after| after < dropped) || cmd.until.is_some_and(|until| until <= dropped) {
        return Err(EventsDropped.into());
    }
    let replay = Replay {
        id: Id::from_uuid(uow.next_id()),
        webhook: id,
        place: cmd.after.unwrap_or(dropped),
        until: cmd.until,
        is_settled: false,
        state: ReplayState::Running,
        deliveries: 0,
        created_at: uow.now(),
    };
    match uow.webhook_replays().insert(&replay).await {
        Ok(()) => {}
        Err(ReplayConflict::UnderWay) => return Err(ReplayError::UnderWay),
        Err(ReplayConflict::Store(error)) => return Err(error.into()),
    }
    uow.jobs().enqueue(replay.job()).await?;
    uow.record(
        Recorded::new(
            "webhook_replay_started",
            Aggregate::Webhook,
            id.as_uuid(),
            permit.actor(),
        )
        .after(&WebhookSnapshot::from(&webhook)),
    );
    Ok(replay)
}
