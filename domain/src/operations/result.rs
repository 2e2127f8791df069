use time::OffsetDateTime;

use super::{Operation, OperationId, OperationKind, OperationState, OutputSize, RESULT_FOR};
use crate::access::{ExportLeads, Permit};
use crate::store::{StoreError, UnitOfWork};

/// The file that an operation has written, whole.
#[derive(Clone, Debug)]
pub struct ResultFile {
    pub operation: OperationId,
    /// What was asked for, as JSON.
    pub request: Option<String>,
    pub size: OutputSize,
}

/// Why there is no file to fetch.
#[derive(Debug, thiserror::Error)]
pub enum FindResultError {
    #[error("there is no such operation")]
    NotFound,
    #[error("the operation is {}: its file is not whole", .0.as_str())]
    NotEnded(OperationState),
    #[error("the operation is {}: it has no whole file", .0.as_str())]
    NeverWhole(OperationState),
    #[error("the file is not kept any more")]
    Dropped,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Operation {
    /// Until when the file that it has written can be fetched; `None`: it has no whole one, or none any more.
    pub fn result_until(&self) -> Option<OffsetDateTime> {
        self.whole_until().filter(|_| self.record().has_file)
    }

    /// Until when the file is kept that it has written whole, if nobody has it forgotten.
    fn whole_until(&self) -> Option<OffsetDateTime> {
        let record = self.record();
        match (record.kind, record.state) {
            (OperationKind::ExportLeads, OperationState::Completed) => Some(record.finished_at? + RESULT_FOR),
            (OperationKind::ExportLeads | OperationKind::ImportLeads | OperationKind::ScoreLeads, _) => None,
        }
    }
}

/// Finds the file of an export.
pub async fn find_result(
    uow: &mut dyn UnitOfWork,
    _: &Permit<ExportLeads>,
    id: OperationId,
) -> Result<ResultFile, FindResultError> {
    let found = uow.operations().look(id, &[OperationKind::ExportLeads]).await?;
    let operation = found.ok_or(FindResultError::NotFound)?;
    let state = operation.record().state;
    let Some(until) = operation.whole_until() else {
        return Err(if state.has_ended() {
            FindResultError::NeverWhole(state)
        } else {
            FindResultError::NotEnded(state)
        });
    };
    let size = uow.operation_outputs().size(id).await?;
    if until <= uow.now() || size.parts == 0 {
        return Err(FindResultError::Dropped);
    }
    Ok(ResultFile {
        operation: id,
        request: uow.operations().request(id).await?,
        size,
    })
}

/// Forgets the file of an export before its time, so that its room is free. One that is gone already stays gone.
pub async fn drop_result(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ExportLeads>,
    id: OperationId,
) -> Result<(), FindResultError> {
    match find_result(uow, permit, id).await {
        Ok(_) | Err(FindResultError::Dropped) => {}
        Err(error) => return Err(error),
    }
    // All of it at once: of a part that is left nobody could tell that it is no whole.
    while uow.operation_outputs().drop_some(id).await? {}
    Ok(())
}
