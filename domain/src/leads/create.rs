use std::collections::HashMap;

use super::agent::require_agent;
use super::{Assignment, Lead, LeadDraft, LeadSnapshot, LoadConflict};
use crate::access::{Actor, ChangeLeads, Permit};
use crate::activities::{Activity, ActivityKind};
use crate::events::{Aggregate, Recorded, Source};
use crate::identity::UserId;
use crate::store::{StoreError, UnitOfWork};

#[derive(Debug, thiserror::Error)]
pub enum CreateLeadError {
    #[error("an agent creates leads for itself or for nobody")]
    OutOfReach,
    #[error("agent {0} has no room for another open lead")]
    AgentFull(UserId),
    #[error("user {0} is not an active agent of this tenant")]
    NotAnAgent(UserId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates one lead.
pub async fn create(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ChangeLeads>,
    draft: LeadDraft,
) -> Result<Lead, CreateLeadError> {
    if !permit.reach().covers(draft.assigned_to) {
        return Err(CreateLeadError::OutOfReach);
    }
    if let Some(agent) = draft.assigned_to {
        require_agent(uow, agent).await?;
    }
    let lead = draft.into_lead(uow.next_id(), uow.now());
    let leads = std::slice::from_ref(&lead);
    uow.leads().insert(leads).await?;
    note_created(uow, permit.actor(), leads, Source::Api).await?;
    Ok(lead)
}

/// Writes what goes with new leads: load, assignments, activities and events.
pub(super) async fn note_created(
    uow: &mut dyn UnitOfWork,
    actor: Actor,
    leads: &[Lead],
    source: Source,
) -> Result<(), CreateLeadError> {
    let mut load: HashMap<UserId, i32> = HashMap::new();
    for agent in leads.iter().filter_map(Lead::load_on) {
        *load.entry(agent).or_default() += 1;
    }
    uow.assignments().change_load(&load).await?;

    let mut activities = Vec::new();
    let mut assignments = Vec::new();
    for lead in leads {
        if let Some(agent) = lead.assigned_to {
            let at = uow.now();
            assignments.push(Assignment {
                lead: lead.id,
                agent,
                by: actor,
                at,
            });
            activities.push(Activity::automatic(
                uow.next_id(),
                lead.id,
                ActivityKind::Assignment,
                format!("Assigned to {agent}"),
                actor,
                at,
            ));
        }
        uow.record(
            Recorded::new("lead_created", Aggregate::Lead, lead.id.as_uuid(), actor)
                .after(&LeadSnapshot::from(lead))
                .by(source),
        );
    }
    if !assignments.is_empty() {
        uow.assignments().begin(&assignments).await?;
    }
    if !activities.is_empty() {
        uow.activities().insert(&activities).await?;
    }
    Ok(())
}

impl From<LoadConflict> for CreateLeadError {
    fn from(conflict: LoadConflict) -> Self {
        match conflict {
            LoadConflict::NoRoom(agent) => Self::AgentFull(agent),
            LoadConflict::NotAnAgent(agent) => Self::NotAnAgent(agent),
            LoadConflict::Store(error) => Self::Store(error),
        }
    }
}
