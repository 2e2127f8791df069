use super::{
    InvalidTransition, Operation, OperationId, OperationKind, OperationState, OperationsPermit, snapshot,
};
use crate::store::{StoreError, UnitOfWork};

/// Why an operation could not be cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelOperationError {
    #[error("there is no such operation")]
    NotFound,
    #[error("it has ended: {0}")]
    Ended(#[from] InvalidTransition),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stops an operation: at once where nobody has begun it, otherwise as soon as what is under way is finished. What is
/// done stays done. Cancelling it again changes nothing.
///
/// What it had to work off is dropped behind it: by its job, and else by housekeeping.
pub async fn cancel(
    uow: &mut dyn UnitOfWork,
    permit: &OperationsPermit,
    id: OperationId,
) -> Result<Operation, CancelOperationError> {
    let found = uow.operations().find_for_update(id).await?;
    let before = found
        .filter(|operation| permit.kinds().contains(&operation.record().kind))
        .ok_or(CancelOperationError::NotFound)?;
    let record = before.record();
    if record.cancel_requested && matches!(record.state, OperationState::Running | OperationState::Cancelled)
    {
        return Ok(before);
    }
    let asked = before.clone().ask_to_stop()?;
    let line = if asked.has_ended() {
        "cancelled before it was begun"
    } else {
        "asked to stop"
    };
    let after = uow.operations().change(&asked, line).await?;
    // A run may wait for a provider: it is not to wait with that.
    if record.kind == OperationKind::ScoreLeads {
        uow.jobs().hasten(record.kind.queue(), &id.to_string()).await?;
    }
    uow.record(if after.has_ended() {
        snapshot::ended(&before, &after, permit.actor())
    } else {
        snapshot::cancel_requested(&before, &after, permit.actor())
    });
    Ok(after)
}
