//! Works an import off, part by part.

use time::OffsetDateTime;

use super::begin::ImportJob;
use super::parts::{BadPart, JudgedRow, read_part};
use crate::access::{Actor, ImportLeads, Permit};
use crate::events::Source;
use crate::invalid::Invalid;
use crate::jobs::{FinishError, JobError, Ticket};
use crate::leads::{BulkError, LeadDraft, RejectedRow, create_many};
use crate::operations::{
    InvalidTransition, MAX_FAULTS, Operation, OperationId, OperationState, RowFault, Tally, snapshot,
};
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
    /// The operation has ended otherwise, or is gone: what input is left is to be dropped.
    Ended,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportStepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Part(#[from] BadPart),
    #[error("parts of an import are missing")]
    InputMissing,
    /// Somebody else has the job, or has ended the operation.
    #[error("the claim was lost")]
    Lost,
}

/// Makes sure that an import runs, at the begin of an attempt at its job. Returns in whose name it goes on; `None`: it
/// has ended, or is gone. One that had failed is taken up again if its input is still there: somebody retries its job.
pub async fn start(
    uow: &mut dyn UnitOfWork,
    job: &ImportJob,
    attempt: u32,
) -> Result<Option<Actor>, StoreError> {
    let found = uow.operations().find_for_update(job.operation()).await?;
    let Some(before) = found else { return Ok(None) };
    let (actor, done) = (before.record().created_by, before.record().done);
    let line = match before.record().state {
        OperationState::Completed | OperationState::Cancelled => return Ok(None),
        OperationState::Failed if !uow.operations().has_input(job.operation()).await? => return Ok(None),
        OperationState::Running => {
            if attempt > 1 {
                let line = format!("goes on behind row {done}");
                uow.operations().change(&before, &line).await?;
            }
            return Ok(Some(actor));
        }
        OperationState::Queued => "begun".to_owned(),
        OperationState::Failed => format!("taken up again behind row {done}"),
    };
    let Ok(begun) = before.clone().begin() else {
        return Ok(None);
    };
    let after = uow.operations().change(&begun, &line).await?;
    uow.record(snapshot::started(&before, &after, actor).by(Source::Import));
    Ok(Some(actor))
}

/// Does one part of an import, with all that is to become durable together with it; or ends the import.
///
/// The part is taken away by the unit of work that writes its rows, so no part is done twice: of two workers that both
/// believe to have the job, one waits for what the other does, and goes on behind it. The operation itself is locked
/// behind the rows, so that somebody who wants it to stop need not wait for them.
pub async fn step(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ImportLeads>,
    job: &ImportJob,
    ticket: &Ticket,
    turn: Turn,
) -> Result<Step, ImportStepError> {
    let id = job.operation();
    let content = match uow.operations().course(id).await? {
        Some((state, _)) if state.has_ended() => return Ok(Step::Ended),
        None => return Ok(Step::Ended),
        Some((_, true)) => None,
        Some((_, false)) => uow.operations().take_input(id).await?,
    };
    let written = match content {
        Some(content) => Some(write(uow, permit, read_part(&content)?, job).await?),
        None => None,
    };
    let found = uow.operations().find_for_update(id).await?;
    let before = found
        .filter(|operation| !operation.has_ended())
        .ok_or(ImportStepError::Lost)?;
    if let Some(Written { rows, tally, faults }) = written {
        let known = before.record().faults;
        let after = before.advance(rows, tally, faults.len() as u64)?;
        uow.operations().advance(&after, &faults, known).await?;
        if turn == Turn::GoesOn {
            return Ok(Step::Done);
        }
        hand_on(uow, job, ticket, None).await?;
        return Ok(Step::HandedOn);
    }
    let (after, line) = if before.is_done() {
        (before.clone().complete()?, "completed".to_owned())
    } else if before.record().cancel_requested {
        let line = format!("stopped behind row {}", before.record().done);
        (before.clone().stop()?, line)
    } else if uow.operations().has_input(id).await? {
        return Ok(Step::Done);
    } else {
        return Err(ImportStepError::InputMissing);
    };
    let after = uow.operations().change(&after, &line).await?;
    uow.record(snapshot::ended(&before, &after, permit.actor()).by(Source::Import));
    if after.record().state == OperationState::Completed {
        uow.jobs().finish(ticket).await?;
        return Ok(Step::Completed);
    }
    Ok(Step::Ended)
}

/// Finishes a job and enqueues another that does the rest: with all its attempts, and behind the other tenants' turns.
/// `at`: not before.
pub async fn hand_on(
    uow: &mut dyn UnitOfWork,
    job: &ImportJob,
    ticket: &Ticket,
    at: Option<OffsetDateTime>,
) -> Result<(), ImportStepError> {
    uow.jobs().finish(ticket).await?;
    let mut next = job.to_enqueue();
    next.run_at = at;
    uow.jobs().enqueue(next).await?;
    Ok(())
}

/// Gives an import up that has not ended. `why` is shown to who has asked for it. Its input is kept for a while, so that
/// it can be taken up again.
pub async fn give_up(uow: &mut dyn UnitOfWork, id: OperationId, why: &str) -> Result<(), StoreError> {
    let Some(before) = uow.operations().find_for_update(id).await? else {
        return Ok(());
    };
    let Ok(ended) = before.clone().give_up(why) else {
        return Ok(());
    };
    let line = format!("given up behind row {}", before.record().done);
    let after: Operation = uow.operations().change(&ended, &line).await?;
    uow.record(snapshot::ended(&before, &after, Actor::System).by(Source::System));
    Ok(())
}

/// What came of the rows of a part.
struct Written {
    rows: u64,
    tally: Tally,
    faults: Vec<RowFault>,
}

/// Writes what rows are good, and tells what came of all.
async fn write(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ImportLeads>,
    rows: Vec<JudgedRow>,
    job: &ImportJob,
) -> Result<Written, StoreError> {
    let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
    let mut rejected: Vec<(u64, Invalid)> = Vec::new();
    let mut drafts: Vec<(usize, LeadDraft)> = Vec::with_capacity(rows.len());
    for (index, JudgedRow { line, draft }) in rows.into_iter().enumerate() {
        match draft {
            Ok(draft) => drafts.push((index, draft)),
            Err(reason) => rejected.push((line, reason)),
        }
    }
    let mut tally = Tally::default();
    if !drafts.is_empty() {
        let outcome = match create_many(uow, permit, drafts, job.duplicates(), Source::Import).await {
            Ok(outcome) => outcome,
            Err(BulkError::Store(error)) => return Err(error),
        };
        tally.successful = outcome.successful.len() as u64;
        tally.skipped = outcome.skipped as u64;
        let more = outcome.rejected.into_iter();
        rejected.extend(more.map(|RejectedRow { index, reason, .. }| (lines[index], reason)));
    }
    rejected.sort_by_key(|(line, _)| *line);
    tally.failed = rejected.len() as u64;
    let faults = rejected.into_iter().flat_map(|(line, Invalid(faults))| {
        faults.into_iter().map(move |fault| RowFault {
            line,
            field: fault.field.into_owned(),
            reason: fault.detail,
        })
    });
    Ok(Written {
        rows: lines.len() as u64,
        tally,
        // One more tells that there were more.
        faults: faults.take(MAX_FAULTS + 1).collect(),
    })
}

impl From<FinishError> for ImportStepError {
    fn from(error: FinishError) -> Self {
        match error {
            FinishError::Lost => Self::Lost,
            FinishError::Store(error) => Self::Store(error),
        }
    }
}

/// It was running when it was looked at: somebody else has ended it, or nobody has begun it.
impl From<InvalidTransition> for ImportStepError {
    fn from(_: InvalidTransition) -> Self {
        Self::Lost
    }
}

impl From<ImportStepError> for JobError {
    fn from(error: ImportStepError) -> Self {
        match error {
            ImportStepError::Lost => Self::Lost,
            ImportStepError::Store(error) => Self::Store(error),
            ImportStepError::Part(_) | ImportStepError::InputMissing => Self::Reject(error.into()),
        }
    }
}
