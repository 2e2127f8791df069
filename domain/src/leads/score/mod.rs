//! How likely a lead is to become a customer: by a model, where there is one, and by rules else.

mod prompt;
mod rules;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::{Lead, LeadId, LeadSnapshot, UpdateLeadError};
use crate::Expected;
use crate::access::{Actor, ChangeLeads, Permit};
use crate::activities::{Activity, ActivityKind};
use crate::ai::{Asker, Degraded, Prepared, Said};
use crate::events::{Aggregate, Recorded};
use crate::store::{StoreError, UnitOfWork};

/// How many of its activities a lead is judged by.
const ACTIVITIES: u32 = 10;

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
#[derive(Debug)]
struct Subject {
    lead: Lead,
    activities: Vec<Activity>,
}

/// A lead that is about to be judged.
#[derive(Debug)]
pub struct Scoring {
    subject: Subject,
    expected: Expected,
    prepared: Prepared,
}

/// What a lead was judged to be worth, before it is written down.
#[derive(Debug)]
pub struct Judged {
    subject: Subject,
    expected: Expected,
    said: Said,
}

/// Finds a lead to be scored, and reserves what that may take. The unit of work is to be committed before anybody is asked.
pub async fn begin_score(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ChangeLeads>,
    asker: &Asker,
    id: LeadId,
    expected: Expected,
) -> Result<Scoring, UpdateLeadError> {
    let subject = look(uow, permit, id, expected).await?;
    let question = prompt::question(&subject, uow.now());
    let prepared = asker.prepare(uow, "score-lead", question).await?;
    Ok(Scoring {
        subject,
        expected,
        prepared,
    })
}

impl Scoring {
    /// The same, of the lead as it was found alone: one that has changed meanwhile is [`UpdateLeadError::Stale`].
    #[must_use]
    pub fn strictly(self) -> Self {
        let expected = Expected::Revision(self.subject.lead.revision());
        Self { expected, ..self }
    }

    /// Asks. No unit of work may be open meanwhile.
    pub async fn ask(self) -> Judged {
        Judged {
            subject: self.subject,
            expected: self.expected,
            said: self.prepared.ask().await,
        }
    }
}

impl Judged {
    /// Why rules say it in a model's place, if they do.
    pub fn refusal(&self) -> Option<Degraded> {
        self.said.read(prompt::read).err()
    }

    /// Writes down what it has taken to ask, whatever becomes of the lead.
    pub async fn settle(&self, uow: &mut dyn UnitOfWork) -> Result<(), StoreError> {
        self.said.settle(uow).await
    }

    /// Writes down what was said, or what rules say in its place: as a change of the lead, an activity with the reasons,
    /// and an event. A lead that has changed meanwhile is not written: [`StoreError::Contended`].
    pub async fn write(
        &self,
        uow: &mut dyn UnitOfWork,
        permit: &Permit<ChangeLeads>,
    ) -> Result<ScoredLead, UpdateLeadError> {
        let before = &self.subject.lead;
        match uow.leads().find_for_update(before.id).await? {
            None => return Err(UpdateLeadError::NotFound),
            Some(now) if now != *before => {
                return Err(if self.expected.matches(now.revision()) {
                    StoreError::Contended.into()
                } else {
                    UpdateLeadError::Stale { current: now.version }
                });
            }
            Some(_) => {}
        }
        let said = self.said.read(prompt::read);
        Ok(write(uow, permit.actor(), &self.subject, said).await?)
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
    if !expected.matches(lead.revision()) {
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

/// Writes down a score. The lead is locked, and as it was judged.
async fn write(
    uow: &mut dyn UnitOfWork,
    actor: Actor,
    subject: &Subject,
    said: Result<LeadScore, Degraded>,
) -> Result<ScoredLead, StoreError> {
    let (LeadScore { score, reasons }, degraded) = match said {
        Ok(score) => (score, None),
        Err(why) => (rules::score(subject), Some(why)),
    };
    let before = &subject.lead;
    let mut lead = Lead {
        quality_score: score,
        updated_at: uow.now(),
        ..before.clone()
    };
    uow.leads().update(std::slice::from_ref(&lead)).await?;
    lead.version += 1;
    let change = format!("{} to {score}", before.quality_score);
    let activity = Activity {
        body: Some(reasons.join("\n")),
        ..Activity::automatic(
            uow.next_id(),
            lead.id,
            ActivityKind::Score,
            change,
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
            .before(&LeadSnapshot::from(before))
            .after(&after),
    );
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
