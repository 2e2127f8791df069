use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::{DeadJob, Job, JobOwner, NewJob, Queue, Ticket};
use crate::identity::TenantId;
use crate::store::StoreError;

/// The jobs of the owner of a unit of work.
#[async_trait]
pub trait Jobs: Send {
    /// Has a job done after this unit of work is committed. Left out where one with its unique key is not finished.
    async fn enqueue(&mut self, job: NewJob) -> Result<(), StoreError>;

    /// The same for many, by one statement.
    async fn enqueue_all(&mut self, jobs: Vec<NewJob>) -> Result<(), StoreError>;

    /// Has a job that is due later begun at once, if one with this unique key is.
    async fn hasten(&mut self, queue: Queue, unique_key: &str) -> Result<(), StoreError>;

    /// Makes sure that nobody else claims a job before this unit of work has ended.
    async fn hold(&mut self, ticket: &Ticket) -> Result<(), FinishError>;

    /// Gives a job back as if it had not been claimed, to stand aside from now on: see [`NewJob::ASIDE`].
    async fn set_aside(&mut self, ticket: &Ticket) -> Result<(), FinishError>;

    /// Finishes a job together with what this unit of work does, or not at all.
    async fn finish(&mut self, ticket: &Ticket) -> Result<(), FinishError>;

    /// Has a job come again after a while, together with what this unit of work does, or not at all. `fault` says why the
    /// attempt has failed; `None`: it has not, and does not count.
    async fn postpone(
        &mut self,
        ticket: &Ticket,
        after: Duration,
        fault: Option<&str>,
    ) -> Result<(), FinishError>;
}

/// Why a job was not held, finished, or put off.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The lease lapsed and somebody else claimed the job, or it was given back.
    #[error("the claim was lost")]
    Lost,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Jobs as those who work them off see them: of all tenants. All times are the database's, so the clocks of the
/// processes do not matter.
#[async_trait]
pub trait JobStore: Debug + Send + Sync {
    /// Claims jobs that wait, each for one worker. The tenants take turns, and what a claim costs does not grow with what
    /// waits.
    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError>;

    /// Puts off the end of claims; returns those that are lost.
    async fn extend(&self, tickets: &[Ticket], lease: Duration) -> Result<Vec<Ticket>, StoreError>;

    /// Notes that a job is finished; returns whether the claim was not lost before.
    async fn complete(&self, ticket: &Ticket) -> Result<bool, StoreError>;

    /// Notes that an attempt has failed. It is tried again after a while; `None`: it is dead. Returns whether the claim
    /// was not lost before.
    async fn fail(
        &self,
        ticket: &Ticket,
        fault: &str,
        retry_after: Option<Duration>,
    ) -> Result<bool, StoreError>;

    /// Gives a job back as if it had not been claimed, for others to begin after a while. Returns whether the claim was
    /// not lost before.
    async fn give_back(&self, ticket: &Ticket, after: Duration) -> Result<bool, StoreError>;

    /// Has jobs wait that are due, and those whose workers are gone; says which of `queues` have any that wait.
    async fn sweep(&self, queues: &[Queue]) -> Result<Swept, StoreError>;

    /// Clears away jobs of a queue that were finished so long ago; returns how many.
    async fn clear(&self, queue: Queue, finished: Finished, older: Duration) -> Result<u64, StoreError>;

    /// Tells the workers of other processes that jobs wait.
    async fn tell_workers(&self) -> Result<(), StoreError>;

    /// Listens for what others tell.
    async fn hear(&self) -> Result<Box<dyn Hearing>, StoreError>;
}

/// How a job was finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    Completed,
    Dead,
}

/// What a worker asks for.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'c> {
    pub queue: Queue,
    /// Jobs, at the most.
    pub most: usize,
    /// Whose turn was last.
    pub after: JobOwner,
    /// The tenant of each job that this worker has in hand, and how many of one it takes at the most.
    pub in_hand: &'c [JobOwner],
    pub most_of_tenant: usize,
    /// The same of those jobs that stand aside, which are among them; and how many of all tenants it takes at the most.
    pub aside_in_hand: &'c [JobOwner],
    pub most_aside_of_tenant: usize,
    pub most_aside: usize,
    /// How long they are claimed.
    pub lease: Duration,
    /// How often a job of the queue is tried, and one of kinds that have it otherwise.
    pub attempts: u32,
    pub attempts_of: &'c [(&'static str, u32)],
    /// Who asks, for those who look.
    pub worker: &'c str,
}

/// What a worker got.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub jobs: Vec<Job>,
    /// How many tenants shared what was asked for.
    pub turns: usize,
    /// How many tenants were looked at, with those that are paused or have enough in hand.
    pub looked_at: usize,
    /// Whether those were all that have jobs waiting.
    pub is_round: bool,
    /// Who was looked at last.
    pub last: JobOwner,
}

/// What a sweep has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Jobs that became due.
    pub due: u64,
    /// Those whose workers are gone, that wait again.
    pub rescued: u64,
    /// Those of them that have had all their attempts.
    pub dead: Vec<DeadJob>,
    /// Queues with jobs that wait.
    pub waiting: Vec<Queue>,
}

/// A connection that hears what other processes tell.
#[async_trait]
pub trait Hearing: Debug + Send {
    /// Waits until somebody tells that jobs wait.
    async fn told(&mut self) -> Result<(), HearingLost>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection that heard of jobs is gone")]
pub struct HearingLost;

/// Tells how the jobs of this process fare.
pub trait JobsMonitor: Debug + Send + Sync {
    fn report(&self) -> JobsReport;

    /// How long jobs of each tenant were worked on since this was last asked: of ten thousand tenants at the most. One
    /// alone may ask.
    fn take_time_by_tenant(&self) -> HashMap<TenantId, Duration>;
}

/// What this process has done, since it started.
#[derive(Clone, Debug, Default)]
pub struct JobsReport {
    pub queues: Vec<(Queue, QueueReport)>,
    /// Jobs of workers that were gone, in any process, which this one has put back.
    pub rescued: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueReport {
    /// Under way.
    pub active: u64,
    pub completed: u64,
    /// Attempts that failed, or were put off, and come again.
    pub retried: u64,
    /// Jobs that were given up.
    pub dead: u64,
    /// Attempts whose claim was lost.
    pub lost: u64,
    /// How long the attempts took that ended, together.
    pub busy: Duration,
    /// How long jobs had been due when they were begun, once for each attempt.
    pub waits: Waits,
}

/// How many jobs had been due for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// How many had waited no longer than each of [`Waits::BOUNDS`], none of them twice, and how many had waited longer.
    pub counts: [u64; Waits::BOUNDS.len() + 1],
    pub sum: Duration,
}

impl Waits {
    pub const BOUNDS: [Duration; 10] = [
        Duration::from_millis(10),
        Duration::from_millis(50),
        Duration::from_millis(250),
        Duration::from_secs(1),
        Duration::from_secs(5),
        Duration::from_secs(10),
        Duration::from_secs(30),
        Duration::from_mins(1),
        Duration::from_mins(5),
        Duration::from_mins(30),
    ];
}
