//! What was done about a lead, in short: by a model, where there is one, and by rules else.

mod prompt;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::Activity;
use crate::access::{Permit, ViewActivities};
use crate::ai::{Asker, Degraded};
use crate::leads::LeadId;
use crate::store::{Store, StoreError};

/// How many activities are summed up: the newest.
const ACTIVITIES: u32 = 30;

/// What summing up needs from outside.
#[derive(Clone, Debug)]
pub struct ActivitySummarizer {
    pub store: Arc<dyn Store>,
    pub asker: Asker,
}

/// What was done about a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivitySummary {
    pub text: String,
    /// What may be done next; nothing, if nothing suggests itself.
    pub next_steps: Vec<String>,
    /// How many activities that is of: the newest.
    pub activities: usize,
    /// Why rules have done it in a model's place; `None`: a model has, or there is nothing to be said.
    pub degraded: Option<Degraded>,
}

/// What a model or rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Summary {
    text: String,
    next_steps: Vec<String>,
}

impl ActivitySummarizer {
    /// Sums up what was done about a lead; `None`: there is no such lead. No transaction is open while a model is asked.
    pub async fn summarize(
        &self,
        permit: &Permit<ViewActivities>,
        lead: LeadId,
    ) -> Result<Option<ActivitySummary>, StoreError> {
        let mut uow = self.store.begin(permit.scope()).await?;
        if uow.leads().find(lead).await?.is_none() {
            return Ok(None);
        }
        let mut newest = uow.activities().newest(&[lead], ACTIVITIES).await?;
        let activities: Vec<Activity> = newest.remove(&lead).unwrap_or_default();
        let now = uow.now();
        let by_rules = rules::summarize(&activities, now);
        if activities.is_empty() {
            return Ok(Some(by_rules.of(0, None)));
        }
        let question = prompt::question(&activities, now);
        let prepared = self
            .asker
            .prepare(&mut *uow, "summarize-activities", question)
            .await?;
        uow.commit().await?;

        let said = prepared.ask().await;

        if said.owes() {
            let mut uow = self.store.begin(permit.scope()).await?;
            said.settle(&mut *uow).await?;
            uow.commit().await?;
        }
        Ok(Some(match said.read(prompt::read) {
            Ok(summary) => summary.of(activities.len(), None),
            Err(why) => by_rules.of(activities.len(), Some(why)),
        }))
    }
}

impl Summary {
    fn of(self, activities: usize, degraded: Option<Degraded>) -> ActivitySummary {
        let Self { text, next_steps } = self;
        ActivitySummary {
            text,
            next_steps,
            activities,
            degraded,
        }
    }
}
