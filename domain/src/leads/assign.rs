use super::agent::require_agent;
use super::update::{LeadChange, write};
use super::{Lead, LeadId, LeadPatch, UpdateLeadError, WantedAgent};
use crate::Expected;
use crate::access::{AssignLeads, Permit};
use crate::field::Change;
use crate::identity::UserId;
use crate::store::{StoreError, UnitOfWork};

/// Who is to take a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignee {
    Agent(UserId),
    /// The best agent with room: matching state or specialisation, then highest rating, then least loaded.
    Automatic,
    Nobody,
}

#[derive(Clone, Debug)]
pub struct AssignLead {
    pub lead: LeadId,
    pub assignee: Assignee,
    pub expected: Expected,
}

#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    #[error("no active agent has room for another open lead")]
    NoAgentFree,
    #[error(transparent)]
    Update(#[from] UpdateLeadError),
}

/// Assigns a lead. However many requests assign at once, no agent goes over its maximum.
pub async fn assign(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<AssignLeads>,
    cmd: AssignLead,
) -> Result<Lead, AssignError> {
    let before = uow
        .leads()
        .find_for_update(cmd.lead)
        .await?
        .ok_or(UpdateLeadError::NotFound)?;
    if !cmd.expected.matches(before.revision()) {
        return Err(UpdateLeadError::Stale {
            current: before.version,
        }
        .into());
    }
    if !permit.reach().covers(before.assigned_to) {
        return Err(UpdateLeadError::OutOfReach.into());
    }
    let agent = match cmd.assignee {
        Assignee::Agent(agent) => Some(agent),
        Assignee::Nobody => None,
        Assignee::Automatic => {
            let wanted = WantedAgent {
                state: state_of(&before),
                specialization: before.insurance_type.as_deref().map(str::to_lowercase),
                reach: Some(permit.reach()),
            };
            let agent = uow
                .assignments()
                .find_agent(&wanted)
                .await?
                .ok_or(AssignError::NoAgentFree)?;
            Some(agent.id)
        }
    };
    let patch = LeadPatch {
        assigned_to: Change::Set(agent),
        ..LeadPatch::default()
    };
    let mut change = LeadChange::plan(before, patch, permit.reach())?;
    if change.is_empty() {
        return Ok(change.before);
    }
    if let Some(agent) = change.new_agent() {
        require_agent(uow, agent).await.map_err(UpdateLeadError::from)?;
    }
    change.after.updated_at = uow.now();
    write(uow, permit.actor(), std::slice::from_mut(&mut change)).await?;
    Ok(change.after)
}

/// Leads have no field for the state; files that are imported have it, and it becomes a custom field then.
fn state_of(lead: &Lead) -> Option<String> {
    let fields = lead.custom_fields.to_map()?;
    let (_, state) = fields
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("state"))?;
    state.as_str().map(str::to_uppercase)
}

impl From<StoreError> for AssignError {
    fn from(error: StoreError) -> Self {
        Self::Update(error.into())
    }
}
