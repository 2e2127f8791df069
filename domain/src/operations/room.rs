use super::{MAX_KEPT_BYTES, MAX_OPEN_OPERATIONS};
use crate::store::{StoreError, UnitOfWork};

/// Why a tenant cannot have another operation now.
#[derive(Debug, thiserror::Error)]
pub enum NoRoom {
    #[error(
        "at most {MAX_OPEN_OPERATIONS} operations of a tenant are queued or running; wait for one, or cancel it"
    )]
    Operations,
    #[error(
        "a tenant's files that wait to be imported, and those that exports have written, have at most {MAX_KEPT_BYTES} \
         bytes; wait until some are imported or dropped"
    )]
    Bytes,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes sure that the tenant may have another operation. What is found stays so until the unit of work ends: the
/// tenant's row is locked while it is counted.
pub async fn make_sure_of_place(uow: &mut dyn UnitOfWork) -> Result<(), NoRoom> {
    uow.tenants().get_for_update().await?;
    if uow.operations().count_open().await? >= MAX_OPEN_OPERATIONS {
        return Err(NoRoom::Operations);
    }
    Ok(())
}

/// Makes sure likewise that so many more bytes may be kept.
pub async fn make_sure_of_room(uow: &mut dyn UnitOfWork, more: u64) -> Result<(), NoRoom> {
    uow.tenants().get_for_update().await?;
    if uow.operations().kept_bytes().await?.saturating_add(more) > MAX_KEPT_BYTES {
        return Err(NoRoom::Bytes);
    }
    Ok(())
}
