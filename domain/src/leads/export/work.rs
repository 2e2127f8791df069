//! Writes the file of an export, part by part.

use super::{BadExportRequest, ExportJob, ExportRequest, Part};
use crate::access::{ExportLeads, Permit};
use crate::events::Source;
use crate::jobs::Ticket;
use crate::operations::{
    Course, NoRoom, OperationId, OperationKind, OutputPart, Step, StepError, Tally, Turn, course, give_up,
    hand_on, make_sure_of_room, snapshot,
};
use crate::paging::Position;
use crate::store::UnitOfWork;

/// An export, and the place in it that comes next.
#[derive(Clone, Debug)]
pub struct Export {
    pub request: ExportRequest,
    /// Of the next part, counted from 0.
    pub number: u32,
    /// What the next part begins behind; `None`: it is the first.
    pub after: Option<Position>,
}

/// Finds where an export stands.
pub async fn resume(uow: &mut dyn UnitOfWork, operation: OperationId) -> Result<Export, StepError> {
    let kept = uow.operations().request(operation).await?;
    let request = ExportRequest::parse(&kept.ok_or(BadExportRequest::Missing)?)?;
    let end = uow.operation_outputs().end(operation).await?;
    Ok(Export {
        request,
        number: end.map_or(0, |end| end.number + 1),
        after: end.and_then(|end| end.next),
    })
}

/// Keeps a part, moves the operation on and the export to what comes next, all to become durable together; or ends the
/// export.
///
/// No number is there twice. So of two workers that both believe to have the job, one waits for what the other does,
/// finds that it was overtaken, and goes on behind the other's part.
pub async fn write(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ExportLeads>,
    job: &ExportJob,
    ticket: &Ticket,
    (export, part): (&mut Export, &Part),
    turn: Turn,
) -> Result<Step, StepError> {
    let id = job.operation();
    match course(uow, id).await? {
        Course::GoesOn => {}
        Course::Stops => return stop(uow, permit, id).await,
        Course::Stopped => return Ok(Step::Stopped),
    }
    match make_sure_of_room(uow, OperationKind::ExportLeads, part.content.len() as u64).await {
        Ok(()) => {}
        Err(NoRoom::Store(error)) => return Err(error.into()),
        // Trying again would not help. So nobody does: an attempt behind a crash would find parts, and go on.
        Err(full) => {
            give_up(uow, id, permit.actor(), &full.to_string()).await?;
            uow.jobs().finish(ticket).await?;
            return Ok(Step::GivenUp);
        }
    }
    let output = OutputPart {
        number: export.number,
        content: part.content.as_bytes(),
        next: part.next,
    };
    if !uow.operation_outputs().add(id, &output).await? {
        *export = resume(uow, id).await?;
        return Ok(Step::Done);
    }
    let found = uow.operations().find_for_update(id).await?;
    let before = found
        .filter(|operation| !operation.has_ended())
        .ok_or(StepError::Lost)?;
    let tally = Tally {
        successful: part.leads,
        ..Tally::default()
    };
    let moved = before.clone().advance(part.leads, tally, 0)?;
    uow.operations().advance(&moved, &[], 0).await?;
    if part.next.is_none() {
        let completed = moved.complete()?;
        let after = uow.operations().change(&completed, "completed").await?;
        uow.record(snapshot::ended(&before, &after, permit.actor()).by(Source::System));
        uow.jobs().finish(ticket).await?;
        return Ok(Step::Completed);
    }
    export.number += 1;
    export.after = part.next;
    if turn == Turn::GoesOn {
        return Ok(Step::Done);
    }
    hand_on(uow, ticket, job.to_enqueue(), None).await?;
    Ok(Step::HandedOn)
}

/// Ends an export that somebody wants to stop.
async fn stop(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ExportLeads>,
    id: OperationId,
) -> Result<Step, StepError> {
    let found = uow.operations().find_for_update(id).await?;
    let before = found.ok_or(StepError::Lost)?;
    let stopped = before.clone().stop()?;
    let line = format!("stopped behind row {}", before.record().done);
    let after = uow.operations().change(&stopped, &line).await?;
    uow.record(snapshot::ended(&before, &after, permit.actor()).by(Source::System));
    Ok(Step::Stopped)
}

impl From<BadExportRequest> for StepError {
    fn from(error: BadExportRequest) -> Self {
        Self::Impossible(error.into())
    }
}
