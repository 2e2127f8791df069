use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::{JobId, JobOwner, Queue};
use crate::store::StoreError;

/// What operators see of jobs, and do about them: of all tenants and processes.
#[async_trait]
pub trait JobOperations: Debug + Send + Sync {
    /// How queues fare; those of the last `window`, of what is finished.
    async fn figures(&self, queues: &[Queue], window: Duration) -> Result<Vec<QueueFigures>, StoreError>;

    /// Has a queue begin no more jobs, in all processes, from now on.
    async fn stop(&self, stop: &NewStop) -> Result<Stop, StoreError>;

    /// Has a queue go on; returns whether it was stopped. Parts that are paused stay so.
    async fn resume(&self, queue: Queue) -> Result<bool, StoreError>;

    /// Has a part of a queue begin no more jobs, in all processes, from now on.
    async fn pause_part(&self, pause: &NewPause) -> Result<Pause, StoreError>;

    /// Has that very part go on; returns whether it was paused.
    async fn resume_part(&self, queue: Queue, part: &Part) -> Result<bool, StoreError>;

    /// Has dead jobs wait again, with all their attempts, up to some ten thousand. Of several with one unique key the
    /// last one does, and none while one like it is not finished; one that is enqueued meanwhile keeps no others back.
    async fn retry_dead(&self, queue: Queue, which: &Which) -> Result<Retried, StoreError>;

    /// The dead jobs of a queue by what they failed of, the most first: of the last [`DeadGroups::MOST_JOBS`] that died.
    async fn dead_groups(&self, queue: Queue) -> Result<DeadGroups, StoreError>;

    /// The newest `limit` that are wanted, of those made before `before`; fewer where it would take long to look for more.
    async fn list(
        &self,
        queue: Queue,
        state: Option<JobState>,
        which: &Which,
        before: Option<JobId>,
        limit: u32,
    ) -> Result<JobList, StoreError>;

    /// Changes what a dead job is to be done with; returns whether there was a dead one of this id.
    async fn edit_dead(&self, id: JobId, payload: &RawValue) -> Result<bool, StoreError>;

    /// A job with its payload.
    async fn find(&self, id: JobId) -> Result<Option<(JobRecord, Box<RawValue>)>, StoreError>;
}

/// What came of retrying dead jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    pub jobs: u64,
    /// Whether there are likely to be more: ask again.
    pub has_more: bool,
    /// Those that stay dead, the newest first, up to [`Retried::MOST_LEFT`]; empty while there are more to be retried.
    pub left: Vec<LeftDead>,
    /// Whether others stay dead, too.
    pub has_more_left: bool,
}

impl Retried {
    pub const MOST_LEFT: usize = 100;
}

/// A dead job that was not retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftDead {
    pub owner: JobOwner,
    pub id: JobId,
    pub kind: String,
    pub unique_key: Option<String>,
    pub why: WhyLeft,
}

/// Why a dead job was not retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyLeft {
    /// This one has the same unique key and is not finished: it does the same.
    LikeIt(JobId),
    /// Somebody else was changing it at that very moment.
    Held,
}

/// Which jobs of a queue are meant; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct Which {
    pub kind: Option<String>,
    pub owner: Option<JobOwner>,
    pub id: Option<JobId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    Delayed,
    Waiting,
    Active,
    Completed,
    Dead,
}

impl JobState {
    pub const ALL: [Self; 5] = [
        Self::Delayed,
        Self::Waiting,
        Self::Active,
        Self::Completed,
        Self::Dead,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delayed => "delayed",
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Dead => "dead",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// How a queue is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// No job is begun.
    Paused,
    /// None that becomes due later is begun; those that were due are.
    Draining,
}

impl StopMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Draining => "draining",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Paused, Self::Draining]
            .into_iter()
            .find(|mode| mode.as_str() == text)
    }
}

#[derive(Clone, Debug)]
pub struct NewStop {
    pub queue: Queue,
    pub mode: StopMode,
    pub reason: String,
    pub operator: String,
    /// `None`: until somebody resumes it.
    pub until: Option<OffsetDateTime>,
}

/// A queue that is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    pub mode: StopMode,
    pub reason: String,
    pub operator: String,
    pub since: OffsetDateTime,
    pub until: Option<OffsetDateTime>,
}

/// A part of a queue: the jobs of a kind, of a tenant, or of a kind of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Kind(String),
    Owner(JobOwner),
    KindOfOwner(String, JobOwner),
}

impl Part {
    /// `None`: that is the whole queue.
    pub fn new(kind: Option<String>, owner: Option<JobOwner>) -> Option<Self> {
        match (kind, owner) {
            (None, None) => None,
            (Some(kind), None) => Some(Self::Kind(kind)),
            (None, Some(owner)) => Some(Self::Owner(owner)),
            (Some(kind), Some(owner)) => Some(Self::KindOfOwner(kind, owner)),
        }
    }

    pub fn kind(&self) -> Option<&str> {
        match self {
            Self::Kind(kind) | Self::KindOfOwner(kind, _) => Some(kind),
            Self::Owner(_) => None,
        }
    }

    pub fn owner(&self) -> Option<JobOwner> {
        match self {
            Self::Owner(owner) | Self::KindOfOwner(_, owner) => Some(*owner),
            Self::Kind(_) => None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct NewPause {
    pub queue: Queue,
    pub part: Part,
    pub reason: String,
    pub operator: String,
    /// `None`: until somebody resumes it.
    pub until: Option<OffsetDateTime>,
}

/// A part of a queue that is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub part: Part,
    pub reason: String,
    pub operator: String,
    pub since: OffsetDateTime,
    pub until: Option<OffsetDateTime>,
}

/// How a queue fares.
#[derive(Clone, Debug)]
pub struct QueueFigures {
    pub queue: Queue,
    pub stop: Option<Stop>,
    /// Parts of it that are paused, whether or not all of it is stopped.
    pub pauses: Vec<Pause>,
    pub delayed: u64,
    pub waiting: u64,
    /// How long the oldest of those that wait has.
    pub oldest: Option<Duration>,
    pub active: u64,
    /// All that are kept.
    pub dead: u64,
    /// Within the window.
    pub completed: u64,
    pub died: u64,
    /// From the moment when it was due to the begin of its last attempt, of those that were completed.
    pub wait: Option<Times>,
    /// Of the last attempt.
    pub run: Option<Times>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    pub mean: Duration,
    pub p95: Duration,
}

/// What was found of the jobs that are wanted.
#[derive(Clone, Debug)]
pub struct JobList {
    /// The newest first.
    pub jobs: Vec<JobRecord>,
    /// What is older than this one was not looked at; `None`: all was, or there are as many as were asked for.
    pub looked_to: Option<JobId>,
}

/// Dead jobs by what they failed of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadGroups {
    pub groups: Vec<DeadGroup>,
    /// Whether others died before, which are in none.
    pub are_truncated: bool,
}

impl DeadGroups {
    pub const MOST_JOBS: u32 = 10_000;
}

/// Dead jobs that failed alike: their faults differ in nothing but ids and numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadGroup {
    pub kind: String,
    /// With `#` for each id and number.
    pub fault: String,
    pub jobs: u64,
    pub tenants: u64,
    pub first_at: OffsetDateTime,
    pub last_at: OffsetDateTime,
    /// The last one.
    pub example: JobId,
}

/// A job as it is kept.
#[derive(Clone, Debug)]
pub struct JobRecord {
    pub owner: JobOwner,
    pub id: JobId,
    pub queue: Queue,
    pub kind: String,
    pub unique_key: Option<String>,
    pub priority: i32,
    pub state: JobState,
    pub attempts: u32,
    pub worker: Option<String>,
    pub fault: Option<String>,
    pub schedule: Option<String>,
    pub trace_parent: Option<String>,
    pub created_at: OffsetDateTime,
    pub run_at: OffsetDateTime,
    pub started_at: Option<OffsetDateTime>,
    pub lease_until: Option<OffsetDateTime>,
    pub finished_at: Option<OffsetDateTime>,
}
