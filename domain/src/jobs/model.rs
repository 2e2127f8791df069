use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Id;
use crate::identity::TenantId;

pub type JobId = Id<Job>;

/// What jobs wait in. Each queue has workers of its own, so none waits for the work of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    LeadProcessing,
    Imports,
    Webhooks,
    Maintenance,
    Warming,
    Integrations,
}

impl Queue {
    pub const ALL: [Self; 6] = [
        Self::LeadProcessing,
        Self::Imports,
        Self::Webhooks,
        Self::Maintenance,
        Self::Warming,
        Self::Integrations,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeadProcessing => "lead-processing",
            Self::Imports => "imports",
            Self::Webhooks => "webhooks",
            Self::Maintenance => "maintenance",
            Self::Warming => "warming",
            Self::Integrations => "integrations",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.as_str() == text)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose work a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobOwner {
    Tenant(TenantId),
    Platform,
}

impl JobOwner {
    /// As it is stored: the platform is zeros, which is no tenant's id.
    pub fn as_uuid(self) -> Uuid {
        match self {
            Self::Tenant(tenant) => tenant.as_uuid(),
            Self::Platform => Uuid::nil(),
        }
    }

    pub fn from_uuid(uuid: Uuid) -> Self {
        if uuid.is_nil() {
            Self::Platform
        } else {
            Self::Tenant(Id::from_uuid(uuid))
        }
    }

    pub fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Tenant(tenant) => Some(tenant),
            Self::Platform => None,
        }
    }
}

/// A job to be enqueued. Its owner is that of the unit of work.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub queue: Queue,
    /// Names its handler.
    pub kind: &'static str,
    /// What the handler is to know. Ids rather than states: it runs later.
    pub payload: Box<RawValue>,
    /// While a job of the owner with this key is in the queue and not finished, this one is left out.
    pub unique_key: Option<String>,
    /// Among the owner's jobs the lowest is first. `None`: that of its queue.
    pub priority: Option<i32>,
    /// Whether it goes behind those that have the same priority.
    pub is_less_urgent: bool,
    /// Whether it stands aside: see [`NewJob::ASIDE`].
    pub is_aside: bool,
    /// `None`: at once.
    pub run_at: Option<OffsetDateTime>,
    /// W3C `traceparent`; `None`: that of the request under way.
    pub trace_parent: Option<String>,
}

impl NewJob {
    /// What is added to the priority of a job that stands aside. Such jobs are behind all others of their owner, and hold
    /// but a part of the places, of a tenant as of all: what is likely to take long and to come to nothing keeps nobody
    /// waiting.
    pub const ASIDE: i32 = 1_000_000;

    pub fn new(queue: Queue, kind: &'static str, payload: &impl Serialize) -> Self {
        Self {
            queue,
            kind,
            payload: serde_json::value::to_raw_value(payload)
                .expect("payloads are plain structs with string keys"),
            unique_key: None,
            priority: None,
            is_less_urgent: false,
            is_aside: false,
            run_at: None,
            trace_parent: None,
        }
    }

    #[must_use]
    pub fn unique(mut self, key: impl Into<String>) -> Self {
        self.unique_key = Some(key.into());
        self
    }

    /// Has its kind go before or behind the other kinds of its queue.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Behind those of the owner's jobs that are as urgent else.
    #[must_use]
    pub fn less_urgent(mut self) -> Self {
        self.is_less_urgent = true;
        self
    }

    /// Has it stand aside.
    #[must_use]
    pub fn aside(mut self) -> Self {
        self.is_aside = true;
        self
    }

    #[must_use]
    pub fn at(mut self, moment: OffsetDateTime) -> Self {
        self.run_at = Some(moment);
        self
    }
}

/// A job that was claimed.
#[derive(Clone, Debug)]
pub struct Job {
    pub ticket: Ticket,
    pub queue: Queue,
    pub kind: String,
    /// As it was enqueued.
    pub payload: Box<RawValue>,
    pub unique_key: Option<String>,
    /// From the moment when it was due, to the claim.
    pub waited: Duration,
    /// 1 at first.
    pub attempt: u32,
    /// How many there are, at the most.
    pub max_attempts: u32,
    /// Whether it stands aside: see [`NewJob::ASIDE`].
    pub is_aside: bool,
    /// W3C `traceparent` of the request that enqueued it.
    pub trace_parent: Option<String>,
}

impl Job {
    pub fn owner(&self) -> JobOwner {
        self.ticket.owner
    }
}

/// The right to finish a job, until somebody else claims it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub owner: JobOwner,
    pub id: JobId,
    /// The number of the claim.
    pub fence: i32,
}

/// A job that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadJob {
    pub owner: JobOwner,
    pub id: JobId,
    pub queue: Queue,
    pub kind: String,
    pub unique_key: Option<String>,
}

impl From<&Job> for DeadJob {
    fn from(job: &Job) -> Self {
        Self {
            owner: job.owner(),
            id: job.ticket.id,
            queue: job.queue,
            kind: job.kind.clone(),
            unique_key: job.unique_key.clone(),
        }
    }
}
