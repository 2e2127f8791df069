//! How likely a lead is to become a customer: by a model, where there is one, and by rules else.

mod prompt;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Serialize;

use super::{Lead, LeadId, LeadSnapshot, UpdateLeadError};
use crate::Expected;
use crate::access::{Actor, ChangeLeads, Permit};
use crate::activities::{Activity, ActivityKind};
use crate::ai::{Asker, Degraded};
use crate::events::{Aggregate, Recorded};
use crate::store::{Store, StoreError, UnitOfWork};

/// How many of its activities a lead is judged by.
const ACTIVITIES: u32 = 10;

/// What scoring needs from outside.
#[derive(Clone, Debug)]
pub struct LeadScorer {
    pub store: Arc<dyn Store>,
    pub asker: Asker,
}

/// What a lead was found to be worth.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LeadScore {
    /// 0 to 100.
    score: i32,
    reasons: Vec<String>,
}

/// A lead that was scored.
#[derive(Clone, Debug)]
pub struct ScoredLead {
    pub lead: Lead,
    pub reasons: Vec<String>,
    /// Why rules have said it in a model's place; `None`: a model has.
    pub degraded: Option<Degraded>,
}

/// What is known of a lead.
struct Subject {
    lead: Lead,
    activities: Vec<Activity>,
}

impl LeadScorer {
    /// Scores a lead, and writes it down as a change of the lead, an activity with the reasons, and an event.
    ///
    /// No transaction is open while a model is asked. A lead that changes meanwhile is not written:
    /// [`StoreError::Contended`].
    pub async fn score(
        &self,
        permit: &Permit<ChangeLeads>,
        id: LeadId,
        expected: Expected,
    ) -> Result<ScoredLead, UpdateLeadError> {
        let mut uow = self.store.begin(permit.scope()).await?;
        let subject = look(&mut *uow, permit, id, expected).await?;
        let question = prompt::question(&subject, uow.now());
        let prepared = self.asker.prepare(&mut *uow, "score-lead", question).await?;
        uow.commit().await?;

        let said = prepared.ask().await;

        let mut uow = self.store.begin(permit.scope()).await?;
        said.settle(&mut *uow).await?;
        let now = uow.leads().find_for_update(id).await?;
        if now.as_ref() != Some(&subject.lead) {
            // What was spent was spent.
            uow.commit().await?;
            return Err(match now {
                None => UpdateLeadError::NotFound,
                Some(now) if !expected.matches(now.version) => {
                    UpdateLeadError::Stale { current: now.version }
                }
                Some(_) => StoreError::Contended.into(),
            });
        }
        finish(uow, permit.actor(), subject, said.read(prompt::read)).await
    }
}

/// Finds a lead that may be scored, and what it is judged by.
async fn look(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ChangeLeads>,
    id: LeadId,
    expected: Expected,
) -> Result<Subject, UpdateLeadError> {
    let lead = uow.leads().find(id).await?.ok_or(UpdateLeadError::NotFound)?;
    if !expected.matches(lead.version) {
        return Err(UpdateLeadError::Stale {
            current: lead.version,
        });
    }
    if !permit.reach().covers(lead.assigned_to) {
        return Err(UpdateLeadError::OutOfReach);
    }
    let mut newest = uow.activities().newest(&[id], ACTIVITIES).await?;
    let activities = newest.remove(&id).unwrap_or_default();
    Ok(Subject { lead, activities })
}

/// Writes down what was said, or what rules say in its place. The lead is locked, and as it was judged.
async fn finish(
    mut uow: Box<dyn UnitOfWork>,
    actor: Actor,
    subject: Subject,
    said: Result<LeadScore, Degraded>,
) -> Result<ScoredLead, UpdateLeadError> {
    let (LeadScore { score, reasons }, degraded) = match said {
        Ok(score) => (score, None),
        Err(why) => (rules::score(&subject), Some(why)),
    };
    let Subject { lead: before, .. } = subject;
    let mut lead = Lead {
        quality_score: score,
        updated_at: uow.now(),
        ..before.clone()
    };
    uow.leads().update(std::slice::from_ref(&lead)).await?;
    lead.version += 1;
    let subject = format!("{} to {score}", before.quality_score);
    let activity = Activity {
        body: Some(reasons.join("\n")),
        ..Activity::automatic(
            uow.next_id(),
            lead.id,
            ActivityKind::Score,
            subject,
            actor,
            uow.now(),
        )
    };
    uow.activities().insert(&[activity]).await?;
    let after = Scored {
        lead: LeadSnapshot::from(&lead),
        reasons: &reasons,
        degraded: degraded.is_some(),
    };
    uow.record(
        Recorded::new("lead_scored", Aggregate::Lead, lead.id.as_uuid(), actor)
            .before(&LeadSnapshot::from(&before))
            .after(&after),
    );
    uow.commit().await?;
    Ok(ScoredLead {
        lead,
        reasons,
        degraded,
    })
}

/// A lead that was scored, as events show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Scored<'a> {
    #[serde(flatten)]
    lead: LeadSnapshot<'a>,
    reasons: &'a [String],
    degraded: bool,
}
