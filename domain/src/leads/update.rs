use std::collections::HashMap;

use super::agent::require_agent;
use super::{Assignment, InvalidTransition, Lead, LeadId, LeadPatch, LeadSnapshot, LoadConflict};
use crate::Expected;
use crate::access::{Actor, ChangeLeads, Permit, Reach};
use crate::activities::{Activity, ActivityKind};
use crate::events::{Aggregate, Recorded};
use crate::field::Change;
use crate::identity::UserId;
use crate::store::{StoreError, UnitOfWork};

#[derive(Debug, thiserror::Error)]
pub enum UpdateLeadError {
    #[error("there is no such lead")]
    NotFound,
    #[error("the lead is assigned to somebody else")]
    OutOfReach,
    #[error("the lead has changed since: its version is {current}")]
    Stale { current: i64 },
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    #[error("agent {0} has no room for another open lead")]
    AgentFull(UserId),
    #[error("user {0} is not an active agent of this tenant")]
    NotAnAgent(UserId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes one lead. What changes status, score or assignee is also written as an activity.
pub async fn update(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ChangeLeads>,
    id: LeadId,
    expected: Expected,
    patch: LeadPatch,
) -> Result<Lead, UpdateLeadError> {
    let before = uow
        .leads()
        .find_for_update(id)
        .await?
        .ok_or(UpdateLeadError::NotFound)?;
    if !expected.matches(before.revision()) {
        return Err(UpdateLeadError::Stale {
            current: before.version,
        });
    }
    let mut change = LeadChange::plan(before, patch, permit.reach())?;
    if change.is_empty() {
        return Ok(change.before);
    }
    if let Some(agent) = change.new_agent() {
        require_agent(uow, agent).await?;
    }
    change.after.updated_at = uow.now();
    write(uow, permit.actor(), std::slice::from_mut(&mut change)).await?;
    Ok(change.after)
}

/// One lead as it is and as it is to be.
#[derive(Debug)]
pub(super) struct LeadChange {
    pub(super) before: Lead,
    pub(super) after: Lead,
}

impl LeadChange {
    /// Applies the patch under the rules of the pipeline and of the caller's reach.
    pub(super) fn plan(before: Lead, patch: LeadPatch, reach: Reach) -> Result<Self, UpdateLeadError> {
        if !reach.covers(before.assigned_to) {
            return Err(UpdateLeadError::OutOfReach);
        }
        let mut after = before.clone();
        if let Change::Set(status) = patch.status {
            after.status = before.status.transition(status)?;
        }
        if let Change::Set(agent) = patch.assigned_to {
            if !reach.covers(agent) {
                return Err(UpdateLeadError::OutOfReach);
            }
            after.assigned_to = agent;
        }
        patch.quality_score.clone().apply(&mut after.quality_score);
        patch.apply_plain(&mut after);
        Ok(Self { before, after })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.before == self.after
    }

    /// The agent who is to take the lead over.
    pub(super) fn new_agent(&self) -> Option<UserId> {
        self.after
            .assigned_to
            .filter(|_| self.before.assigned_to != self.after.assigned_to)
    }

    /// The agent who is to hold one more open lead.
    pub(super) fn newly_loaded(&self) -> Option<UserId> {
        self.after
            .load_on()
            .filter(|_| self.before.load_on() != self.after.load_on())
    }

    fn activities(&self, uow: &dyn UnitOfWork, actor: Actor) -> Vec<Activity> {
        self.subjects()
            .into_iter()
            .map(|(kind, subject)| {
                Activity::automatic(uow.next_id(), self.after.id, kind, subject, actor, uow.now())
            })
            .collect()
    }

    /// What the change is written down as, besides the event.
    fn subjects(&self) -> Vec<(ActivityKind, String)> {
        let Self { before, after } = self;
        let mut subjects = Vec::new();
        if before.status != after.status {
            subjects.push((
                ActivityKind::StatusChange,
                format!("{} to {}", before.status, after.status),
            ));
        }
        if before.assigned_to != after.assigned_to {
            let subject = match after.assigned_to {
                Some(agent) => format!("Assigned to {agent}"),
                None => "Assigned to nobody".to_owned(),
            };
            subjects.push((ActivityKind::Assignment, subject));
        }
        if before.quality_score != after.quality_score {
            subjects.push((
                ActivityKind::Score,
                format!("{} to {}", before.quality_score, after.quality_score),
            ));
        }
        subjects
    }

    fn event(&self, actor: Actor) -> Recorded {
        Recorded::new("lead_updated", Aggregate::Lead, self.after.id.as_uuid(), actor)
            .before(&LeadSnapshot::from(&self.before))
            .after(&LeadSnapshot::from(&self.after))
    }
}

/// Writes changes of locked leads with all that goes with them.
pub(super) async fn write(
    uow: &mut dyn UnitOfWork,
    actor: Actor,
    changes: &mut [LeadChange],
) -> Result<(), UpdateLeadError> {
    let after: Vec<Lead> = changes.iter().map(|change| change.after.clone()).collect();
    uow.leads().update(&after).await?;
    for change in &mut *changes {
        change.after.version += 1;
    }

    let mut activities = Vec::new();
    let (mut given_up, mut taken_on) = (Vec::new(), Vec::new());
    for change in &*changes {
        activities.extend(change.activities(&*uow, actor));
        if change.before.assigned_to != change.after.assigned_to {
            given_up.extend(change.before.assigned_to.map(|_| change.after.id));
            taken_on.extend(change.after.assigned_to.map(|agent| Assignment {
                lead: change.after.id,
                agent,
                by: actor,
                at: uow.now(),
            }));
        }
        uow.record(change.event(actor));
    }
    if !given_up.is_empty() {
        let now = uow.now();
        uow.assignments().end(&given_up, now).await?;
    }
    if !taken_on.is_empty() {
        uow.assignments().begin(&taken_on).await?;
    }
    if !activities.is_empty() {
        uow.activities().insert(&activities).await?;
    }
    // Agents last: their rows are the contended ones, and are locked in the order of their ids.
    uow.assignments().change_load(&load_changes(changes)).await?;
    Ok(())
}

fn load_changes(changes: &[LeadChange]) -> HashMap<UserId, i32> {
    let mut load: HashMap<UserId, i32> = HashMap::new();
    for LeadChange { before, after } in changes {
        if before.load_on() == after.load_on() {
            continue;
        }
        if let Some(agent) = before.load_on() {
            *load.entry(agent).or_default() -= 1;
        }
        if let Some(agent) = after.load_on() {
            *load.entry(agent).or_default() += 1;
        }
    }
    load.retain(|_, change| *change != 0);
    load
}

impl From<LoadConflict> for UpdateLeadError {
    fn from(conflict: LoadConflict) -> Self {
        match conflict {
            LoadConflict::NoRoom(agent) => Self::AgentFull(agent),
            LoadConflict::NotAnAgent(agent) => Self::NotAnAgent(agent),
            LoadConflict::Store(error) => Self::Store(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;
    use crate::Id;
    use crate::cache::{Tag, tags_of, tags_of_event};
    use crate::events::{Event, EventCursor};
    use crate::leads::{CloseReason, CustomFields, Status};

    /// Every status, held by nobody or one of two agents, scored or not.
    fn states() -> Vec<Lead> {
        let agents =
            [None, Some(1), Some(2)].map(|agent| agent.map(|agent| Id::from_uuid(Uuid::from_u128(agent))));
        let statuses = [Status::New, Status::Contacted, Status::Qualified]
            .into_iter()
            .chain(CloseReason::ALL.map(Status::Closed));
        statuses
            .flat_map(|status| agents.map(|agent| (status, agent)))
            .flat_map(|(status, agent)| [0, 50].map(|score| lead(status, agent, score)))
            .collect()
    }

    fn lead(status: Status, assigned_to: Option<UserId>, quality_score: i32) -> Lead {
        Lead {
            id: Id::from_uuid(Uuid::from_u128(7)),
            name: "Ann".to_owned(),
            email: None,
            phone: None,
            company: None,
            status,
            source: None,
            insurance_type: None,
            zip_code: None,
            quality_score,
            assigned_to,
            custom_fields: CustomFields::default(),
            version: 1,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    /// As the log of events has it.
    fn logged(recorded: &Recorded) -> Event {
        Event {
            cursor: EventCursor::START,
            tenant: Id::from_uuid(Uuid::from_u128(1)),
            id: Uuid::from_u128(9),
            event_type: recorded.event_type.to_owned(),
            version: i32::from(recorded.version),
            aggregate_type: recorded.aggregate.as_str().to_owned(),
            aggregate_id: recorded.aggregate_id,
            source: recorded.source.as_str().to_owned(),
            actor: recorded.actor.to_string(),
            data: RawValue::from_string(recorded.data()).unwrap(),
            trace_parent: None,
            occurred_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_a_change_writes_elsewhere_is_dropped_from_the_cache_with_it() {
        let states = states();
        let changes = states
            .iter()
            .flat_map(|before| states.iter().map(move |after| (before, after)));
        for (before, after) in changes {
            let change = LeadChange {
                before: before.clone(),
                after: after.clone(),
            };
            let recorded = change.event(Actor::System);
            let (mut tags, mut from_log) = (Vec::new(), Vec::new());
            tags_of(&recorded, &mut tags);
            tags_of_event(&logged(&recorded), &mut from_log);
            let is_covered = |tag| from_log.contains(tag) || from_log.contains(&Tag::Whole);
            assert!(tags.iter().all(is_covered), "{tags:?} became {from_log:?}");
            let reassigned = before.assigned_to != after.assigned_to;
            assert_eq!(from_log.contains(&Tag::Whole), reassigned, "{from_log:?}");
            let must_drop = |is_due: bool, tag: Tag| {
                assert!(
                    !is_due || tags.contains(&tag),
                    "{before:?} to {after:?} leaves {tag}"
                );
            };

            let writes_activities = !change.subjects().is_empty();
            must_drop(writes_activities, Tag::Activities);
            must_drop(writes_activities, Tag::LeadActivities(after.id));
            must_drop(before.status.name() != after.status.name(), Tag::Statistics);
            for (agent, _) in load_changes(&[change]) {
                must_drop(true, Tag::User(agent));
                must_drop(true, Tag::Agents);
            }
        }
    }
}
