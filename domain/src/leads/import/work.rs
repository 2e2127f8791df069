//! Works an import off, part by part.

use super::begin::ImportJob;
use super::parts::{BadPart, JudgedRow, read_part};
use crate::access::{ImportLeads, Permit};
use crate::events::Source;
use crate::invalid::Invalid;
use crate::jobs::Ticket;
use crate::leads::{BulkError, LeadDraft, RejectedRow, create_many};
use crate::operations::{
    Course, MAX_FAULTS, OperationState, RowFault, Step, StepError, Tally, Turn, course, hand_on, snapshot,
};
use crate::store::{StoreError, UnitOfWork};

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("parts of an import are missing")]
struct InputMissing;

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
) -> Result<Step, StepError> {
    let id = job.operation();
    let content = match course(uow, id).await? {
        Course::GoesOn => uow.operations().take_input(id).await?,
        Course::Stops => None,
        Course::Stopped => return Ok(Step::Stopped),
    };
    let written = match content {
        Some(content) => Some(write(uow, permit, read_part(&content)?, job).await?),
        None => None,
    };
    let found = uow.operations().find_for_update(id).await?;
    let before = found
        .filter(|operation| !operation.has_ended())
        .ok_or(StepError::Lost)?;
    if let Some(Written { rows, tally, faults }) = written {
        let known = before.record().faults;
        let after = before.advance(rows, tally, faults.len() as u64)?;
        uow.operations().advance(&after, &faults, known).await?;
        if turn == Turn::GoesOn {
            return Ok(Step::Done);
        }
        hand_on(uow, ticket, job.to_enqueue(), None).await?;
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
        return Err(StepError::Impossible(Box::new(InputMissing)));
    };
    let after = uow.operations().change(&after, &line).await?;
    uow.record(snapshot::ended(&before, &after, permit.actor()).by(Source::Import));
    if after.record().state == OperationState::Completed {
        uow.jobs().finish(ticket).await?;
        return Ok(Step::Completed);
    }
    Ok(Step::Stopped)
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

impl From<BadPart> for StepError {
    fn from(error: BadPart) -> Self {
        Self::Impossible(error.into())
    }
}
