use super::{MAX_KEPT_BYTES, MAX_OPEN_OPERATIONS, OperationKind};
use crate::store::{StoreError, UnitOfWork};

/// Why a tenant cannot have another operation of a kind now.
#[derive(Debug, thiserror::Error)]
pub enum NoRoom {
    #[error(
        "at most {MAX_OPEN_OPERATIONS} {0} of a tenant are queued or running; wait for one, or cancel it"
    )]
    Operations(&'static str),
    #[error(
        "a tenant's files that wait to be imported have at most {MAX_KEPT_BYTES} bytes; wait until some are imported, or \
         cancel an import"
    )]
    Input,
    #[error(
        "the files that a tenant's exports have written have at most {MAX_KEPT_BYTES} bytes; wait until some are dropped, \
         a day after their end"
    )]
    Output,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes sure that the tenant may have another operation of a kind. What is found stays so until the unit of work ends:
/// the tenant's row is locked while it is counted.
pub async fn make_sure_of_place(uow: &mut dyn UnitOfWork, kind: OperationKind) -> Result<(), NoRoom> {
    uow.tenants().get_for_update().await?;
    if uow.operations().count_open(kind).await? >= MAX_OPEN_OPERATIONS {
        return Err(NoRoom::Operations(match kind {
            OperationKind::ImportLeads => "imports",
            OperationKind::ExportLeads => "exports",
            OperationKind::ScoreLeads => "runs that score leads",
        }));
    }
    Ok(())
}

/// Makes sure likewise that so many more bytes may be kept.
pub async fn make_sure_of_room(
    uow: &mut dyn UnitOfWork,
    kind: OperationKind,
    more: u64,
) -> Result<(), NoRoom> {
    uow.tenants().get_for_update().await?;
    if uow.operations().kept_bytes(kind).await?.saturating_add(more) > MAX_KEPT_BYTES {
        return Err(match kind {
            OperationKind::ImportLeads => NoRoom::Input,
            // A run keeps no bytes.
            OperationKind::ExportLeads | OperationKind::ScoreLeads => NoRoom::Output,
        });
    }
    Ok(())
}
