use std::collections::HashMap;

use super::{LeadId, LeadSnapshot, LoadConflict};
use crate::Expected;
use crate::access::{DeleteLeads, Permit};
use crate::events::{Aggregate, Recorded};
use crate::store::{StoreError, UnitOfWork};

#[derive(Debug, thiserror::Error)]
pub enum DeleteLeadError {
    #[error("there is no such lead")]
    NotFound,
    #[error("the lead has changed since: its version is {current}")]
    Stale { current: i64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Deletes a lead with its activities and assignments.
pub async fn delete(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<DeleteLeads>,
    id: LeadId,
    expected: Expected,
) -> Result<(), DeleteLeadError> {
    let lead = uow
        .leads()
        .find_for_update(id)
        .await?
        .ok_or(DeleteLeadError::NotFound)?;
    if !expected.matches(lead.revision()) {
        return Err(DeleteLeadError::Stale {
            current: lead.version,
        });
    }
    uow.leads().delete(id).await?;
    if let Some(agent) = lead.load_on() {
        match uow.assignments().change_load(&HashMap::from([(agent, -1)])).await {
            // A lead may outlive its agent's profile; there is no load left to lower then.
            Ok(()) | Err(LoadConflict::NoRoom(_) | LoadConflict::NotAnAgent(_)) => {}
            Err(LoadConflict::Store(error)) => return Err(error.into()),
        }
    }
    uow.record(
        Recorded::new("lead_deleted", Aggregate::Lead, id.as_uuid(), permit.actor())
            .before(&LeadSnapshot::from(&lead)),
    );
    Ok(())
}
