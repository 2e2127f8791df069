//! What the jobs of operations have in common, whatever they do.

use std::error::Error;

use time::OffsetDateTime;

use super::{
    InvalidTransition, NewOperation, Operation, OperationId, OperationKind, OperationState, RETRY_FOR,
    snapshot,
};
use crate::Id;
use crate::access::Actor;
use crate::events::Source;
use crate::jobs::{FinishError, Job, JobError, NewJob, Ticket};
use crate::store::{StoreError, UnitOfWork};

/// Whether the job goes on behind a part, or hands the rest on to the next one of its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    GoesOn,
    Ends,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A part is done, or somebody else was at it.
    Done,
    /// A part is done, and this unit of work finishes the job and enqueues the next one.
    HandedOn,
    /// All is done, and this unit of work finishes the job.
    Completed,
    /// It was given up for good, and this unit of work finishes the job: what is kept for it is to be dropped.
    GivenUp,
    /// The operation was stopped, or is gone: what is kept for it is to be dropped.
    Stopped,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Store(StoreError),
    /// Somebody else has the job, or has ended the operation.
    #[error("the claim was lost")]
    Lost,
    /// It will fail each time.
    #[error(transparent)]
    Impossible(Box<dyn Error + Send + Sync>),
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        match error {
            // Nobody makes room by waiting.
            StoreError::OverPlan(over) => Self::Impossible(Box::new(over)),
            error => Self::Store(error),
        }
    }
}

/// The unique key of an operation's job is the id of the operation, which stands there alone: an operator who changes
/// the payload does not have it do another one's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the unique key of an operation's job is the id of its operation")]
pub struct BadKey;

/// The operation that a job with this unique key is of.
pub fn operation_of(unique_key: Option<&str>) -> Result<OperationId, BadKey> {
    let id = unique_key.and_then(|key| key.parse().ok());
    id.map(Id::from_uuid).ok_or(BadKey)
}

/// Queues an operation with its first job; `None`, where parts of its input are missing.
pub async fn queue(
    uow: &mut dyn UnitOfWork,
    operation: &NewOperation,
    job: NewJob,
) -> Result<Option<Operation>, StoreError> {
    if !uow.operations().insert(operation).await? {
        return Ok(None);
    }
    uow.jobs().enqueue(job).await?;
    let found = uow.operations().find_for_update(operation.id).await?;
    if let Some(operation) = &found {
        uow.record(snapshot::queued(operation, operation.record().created_by));
    }
    Ok(found)
}

/// What the attempt at a job finds its operation to be.
#[derive(Debug)]
pub enum TakenUp {
    /// It runs by now, and the job is still this worker's.
    Runs(Operation),
    /// It has come to its end, or has failed for good. What is kept of it is for those who asked for it.
    Over,
    /// It was stopped, or is gone: what is kept for it is to be dropped.
    Stopped,
}

/// Makes sure that an operation runs, at the begin of an attempt at its job. One that had failed is taken up again if
/// what it needs for that is still there: somebody retries its job. Not by a worker that has lost the job meanwhile: it
/// could not bring the operation to an end.
pub async fn take_up(uow: &mut dyn UnitOfWork, id: OperationId, job: &Job) -> Result<TakenUp, StepError> {
    let found = uow.operations().find_for_update(id).await?;
    let Some(before) = found else {
        return Ok(TakenUp::Stopped);
    };
    let record = before.record();
    let (kind, actor, done) = (record.kind, record.created_by, record.done);
    let line = match record.state {
        OperationState::Cancelled => return Ok(TakenUp::Stopped),
        OperationState::Completed => return Ok(TakenUp::Over),
        OperationState::Failed if !can_go_on(uow, &before).await? => return Ok(TakenUp::Over),
        OperationState::Running => {
            uow.jobs().hold(&job.ticket).await?;
            if job.attempt > 1 {
                let line = format!("goes on behind row {done}");
                uow.operations().change(&before, &line).await?;
            }
            return Ok(TakenUp::Runs(before));
        }
        OperationState::Queued => "begun".to_owned(),
        OperationState::Failed => format!("taken up again behind row {done}"),
    };
    uow.jobs().hold(&job.ticket).await?;
    let begun = before.clone().begin()?;
    let after = uow.operations().change(&begun, &line).await?;
    uow.record(snapshot::started(&before, &after, actor).by(kind.source()));
    Ok(TakenUp::Runs(after))
}

/// Whether a step of an operation is still wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    GoesOn,
    /// Somebody wants it to stop.
    Stops,
    /// It was stopped, or is gone.
    Stopped,
}

/// Looks whether a step is still wanted. Not by a worker that comes late: what others have brought to an end is no
/// business of its own any more, and is kept.
pub(crate) async fn course(uow: &mut dyn UnitOfWork, id: OperationId) -> Result<Course, StepError> {
    match uow.operations().course(id).await? {
        None | Some((OperationState::Cancelled, _)) => Ok(Course::Stopped),
        Some((state, _)) if state.has_ended() => Err(StepError::Lost),
        Some((_, true)) => Ok(Course::Stops),
        Some((_, false)) => Ok(Course::GoesOn),
    }
}

/// Whether one that failed has still what it was at. Behind its time that may be half of it: it is dropped step by step.
async fn can_go_on(uow: &mut dyn UnitOfWork, operation: &Operation) -> Result<bool, StoreError> {
    let record = operation.record();
    if record
        .finished_at
        .is_none_or(|finished| finished + RETRY_FOR <= uow.now())
    {
        return Ok(false);
    }
    match record.kind {
        OperationKind::ImportLeads => uow.operations().has_input(record.id).await,
        OperationKind::ExportLeads if record.done == 0 => Ok(true),
        OperationKind::ScoreLeads => Ok(true),
        OperationKind::ExportLeads => Ok(uow.operation_outputs().end(record.id).await?.is_some()),
    }
}

/// Finishes a job and enqueues `next`, which does the rest: with all its attempts, and behind the other tenants' turns.
/// `at`: not before.
pub async fn hand_on(
    uow: &mut dyn UnitOfWork,
    ticket: &Ticket,
    mut next: NewJob,
    at: Option<OffsetDateTime>,
) -> Result<(), StepError> {
    uow.jobs().finish(ticket).await?;
    next.run_at = at;
    uow.jobs().enqueue(next).await?;
    Ok(())
}

/// Gives an operation up that has not ended. `why` is shown to who has asked for it. What it had still to do, or has
/// done, is kept for a while, so that it can be taken up again.
pub async fn give_up(
    uow: &mut dyn UnitOfWork,
    id: OperationId,
    actor: Actor,
    why: &str,
) -> Result<(), StoreError> {
    let Some(before) = uow.operations().find_for_update(id).await? else {
        return Ok(());
    };
    let Ok(ended) = before.clone().give_up(why) else {
        return Ok(());
    };
    let line = format!("given up behind row {}", before.record().done);
    let after: Operation = uow.operations().change(&ended, &line).await?;
    uow.record(snapshot::ended(&before, &after, actor).by(Source::System));
    Ok(())
}

impl From<FinishError> for StepError {
    fn from(error: FinishError) -> Self {
        match error {
            FinishError::Lost => Self::Lost,
            FinishError::Store(error) => Self::Store(error),
        }
    }
}

/// It was running when it was looked at: somebody else has ended it, or nobody has begun it.
impl From<InvalidTransition> for StepError {
    fn from(_: InvalidTransition) -> Self {
        Self::Lost
    }
}

impl From<StepError> for JobError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Lost => Self::Lost,
            StepError::Store(error) => Self::Store(error),
            StepError::Impossible(cause) => Self::Reject(cause),
        }
    }
}
