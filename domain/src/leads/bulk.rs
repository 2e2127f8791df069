use std::collections::{BTreeSet, HashMap};

use super::create::note_created;
use super::duplicates::Repeats;
use super::update::{LeadChange, write};
use super::{CreateLeadError, Duplicates, Lead, LeadDraft, LeadId, LeadPatch, LoadConflict, UpdateLeadError};
use crate::Expected;
use crate::access::{Actor, ChangeLeads, ImportLeads, Permit, Reach};
use crate::events::Source;
use crate::field::Change;
use crate::identity::UserId;
use crate::invalid::Invalid;
use crate::store::{StoreError, UnitOfWork};

/// The most rows one bulk request may have.
pub const MAX_BULK: usize = 1_000;

/// What became of many rows.
#[derive(Debug, Default)]
pub struct BulkOutcome {
    pub successful: Vec<LeadId>,
    /// Left out because the lead was known already.
    pub skipped: usize,
    pub rejected: Vec<RejectedRow>,
}

/// A row that was not written, and why; the others were.
#[derive(Debug)]
pub struct RejectedRow {
    /// Counted from 0, in the order of the input.
    pub index: usize,
    /// The lead, when the row named one.
    pub lead: Option<LeadId>,
    pub reason: Invalid,
}

/// Why no row could be written.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The permits under which many leads may be created.
pub trait MayCreateMany {
    fn actor(&self) -> Actor;
    fn reach(&self) -> Reach;
}

impl MayCreateMany for Permit<ChangeLeads> {
    fn actor(&self) -> Actor {
        Self::actor(self)
    }

    fn reach(&self) -> Reach {
        Self::reach(self)
    }
}

impl MayCreateMany for Permit<ImportLeads> {
    fn actor(&self) -> Actor {
        Self::actor(self)
    }

    fn reach(&self) -> Reach {
        Self::reach(self)
    }
}

/// Creates many leads by set-based statements. `drafts` carry the index of their row in the input.
///
/// A row whose agent is full, or is none, is rejected; the others are written.
pub async fn create_many(
    uow: &mut dyn UnitOfWork,
    permit: &(impl MayCreateMany + Sync),
    drafts: Vec<(usize, LeadDraft)>,
    duplicates: Duplicates,
    source: Source,
) -> Result<BulkOutcome, BulkError> {
    let mut outcome = BulkOutcome::default();
    let (rows, leads): (Vec<usize>, Vec<Lead>) = drafts
        .into_iter()
        .map(|(index, draft)| (index, draft.into_lead(uow.next_id(), uow.now())))
        .unzip();
    let mut repeats = Repeats::look_up(uow, &leads, duplicates).await?;
    let mut room = AgentRoom::lock(uow, leads.iter().filter_map(|lead| lead.assigned_to)).await?;
    let mut added: Vec<Lead> = Vec::with_capacity(leads.len());
    for (index, lead) in rows.into_iter().zip(leads) {
        if !permit.reach().covers(lead.assigned_to) {
            outcome.reject(
                index,
                None,
                "assignedTo",
                "an agent creates leads for itself or for nobody",
            );
        } else if repeats.include(&lead) {
            // Before room is taken for it: it needs none.
            outcome.skipped += 1;
        } else if let Some(agent) = lead.assigned_to
            && let Err(why) = room.take(agent, lead.status.is_open())
        {
            outcome.reject(index, None, "assignedTo", why);
        } else {
            repeats.note_created(&lead);
            added.push(lead);
        }
    }

    uow.leads().insert(&added).await?;
    outcome.successful = added.iter().map(|lead| lead.id).collect();
    note_created(uow, permit.actor(), &added, source)
        .await
        .map_err(store_alone)?;
    Ok(outcome)
}

/// One row of a bulk update.
#[derive(Debug)]
pub struct BulkUpdate {
    pub index: usize,
    pub lead: LeadId,
    pub expected: Expected,
    pub patch: LeadPatch,
}

/// Changes many leads by set-based statements; a row that breaks a rule is rejected, the others are written.
pub async fn update_many(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ChangeLeads>,
    updates: Vec<BulkUpdate>,
) -> Result<BulkOutcome, BulkError> {
    let ids: Vec<LeadId> = updates.iter().map(|update| update.lead).collect();
    let mut found: HashMap<LeadId, Lead> = uow
        .leads()
        .find_many_for_update(&ids)
        .await?
        .into_iter()
        .map(|lead| (lead.id, lead))
        .collect();

    let mut outcome = BulkOutcome::default();
    let named = updates
        .iter()
        .filter_map(|update| match update.patch.assigned_to {
            Change::Set(agent) => agent,
            Change::Keep => None,
        });
    // Reopening a lead loads the agent who holds it already.
    let holders = found.values().filter_map(|lead| lead.assigned_to);
    let mut room = AgentRoom::lock(uow, named.chain(holders)).await?;
    let mut changes: Vec<LeadChange> = Vec::new();
    for BulkUpdate {
        index,
        lead: id,
        expected,
        patch,
    } in updates
    {
        // Taken out, so a second row for the same lead finds nothing: which of the two should win is not ours to say.
        let Some(before) = found.remove(&id) else {
            outcome.reject(
                index,
                Some(id),
                "id",
                "there is no such lead, or an earlier row changes it",
            );
            continue;
        };
        if !expected.matches(before.revision()) {
            let why = format!("the lead has changed since: its version is {}", before.version);
            outcome.reject(index, Some(id), "version", why);
            continue;
        }
        match LeadChange::plan(before, patch, permit.reach()) {
            Err(UpdateLeadError::Store(error)) => return Err(error.into()),
            Err(error @ UpdateLeadError::OutOfReach) => {
                outcome.reject(index, Some(id), "id", error.to_string());
            }
            Err(error) => outcome.reject(index, Some(id), "status", error.to_string()),
            Ok(change) if change.is_empty() => outcome.successful.push(id),
            Ok(mut change) => {
                let loaded = change.newly_loaded();
                if let Some(agent) = loaded.or(change.new_agent())
                    && let Err(why) = room.take(agent, loaded.is_some())
                {
                    outcome.reject(index, Some(id), "assignedTo", why);
                    continue;
                }
                change.after.updated_at = uow.now();
                outcome.successful.push(id);
                changes.push(change);
            }
        }
    }
    if !changes.is_empty() {
        write(uow, permit.actor(), &mut changes)
            .await
            .map_err(|error| store_alone(error.into()))?;
    }
    Ok(outcome)
}

impl BulkOutcome {
    fn reject(&mut self, index: usize, lead: Option<LeadId>, field: &'static str, detail: impl Into<String>) {
        self.rejected.push(RejectedRow {
            index,
            lead,
            reason: Invalid::field(field, detail),
        });
    }
}

/// How much room the agents named in a bulk request have left; who takes no leads is not among them. Their rows are
/// locked, in the order of their ids, before any row is judged; so what is promised to one still holds when all are
/// written.
#[derive(Debug)]
struct AgentRoom(HashMap<UserId, i32>);

impl AgentRoom {
    async fn lock(
        uow: &mut dyn UnitOfWork,
        agents: impl Iterator<Item = UserId>,
    ) -> Result<Self, StoreError> {
        let agents: Vec<UserId> = agents.collect::<BTreeSet<UserId>>().into_iter().collect();
        if agents.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let users = uow.users().find_many_for_update(&agents).await?;
        let room = users.into_iter().filter(|user| user.active).filter_map(|user| {
            let profile = user.agent?;
            Some((user.id, profile.max_open_leads - profile.open_leads))
        });
        Ok(Self(room.collect()))
    }

    /// Takes the place of one lead, if it is open, or says why there is none.
    fn take(&mut self, agent: UserId, open: bool) -> Result<(), String> {
        match self.0.get_mut(&agent) {
            Some(room) if !open || *room > 0 => {
                *room -= i32::from(open);
                Ok(())
            }
            Some(_) => Err(format!("agent {agent} has no room for another open lead")),
            None => Err(format!("user {agent} is not an active agent of this tenant")),
        }
    }
}

/// The room of every agent was checked under its lock, so only the store can still fail.
fn store_alone(error: CreateLeadError) -> BulkError {
    match error {
        CreateLeadError::Store(error) => BulkError::Store(error),
        CreateLeadError::OutOfReach | CreateLeadError::AgentFull(_) | CreateLeadError::NotAnAgent(_) => {
            BulkError::Store(StoreError::Contended)
        }
    }
}

impl From<UpdateLeadError> for CreateLeadError {
    fn from(error: UpdateLeadError) -> Self {
        match error {
            UpdateLeadError::Store(error) => Self::Store(error),
            UpdateLeadError::AgentFull(agent) => Self::AgentFull(agent),
            UpdateLeadError::NotAnAgent(agent) => Self::NotAnAgent(agent),
            UpdateLeadError::NotFound
            | UpdateLeadError::OutOfReach
            | UpdateLeadError::Stale { .. }
            | UpdateLeadError::Transition(_) => Self::Store(StoreError::Contended),
        }
    }
}

impl From<LoadConflict> for BulkError {
    fn from(conflict: LoadConflict) -> Self {
        match conflict {
            LoadConflict::Store(error) => Self::Store(error),
            LoadConflict::NoRoom(_) | LoadConflict::NotAnAgent(_) => Self::Store(StoreError::Contended),
        }
    }
}
