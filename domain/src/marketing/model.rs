use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Id;
use crate::access::Actor;
use crate::jobs::{DeadJob, NewJob, Queue};
use crate::leads::LeadId;
use crate::text::{self, InvalidText};

/// How many tags a subscriber is given at once, and how long one may be.
const MOST_TAGS: usize = 10;
const LONGEST_TAG: usize = 100;

pub type LeadSubscriptionId = Id<LeadSubscription>;

/// That a lead has consented to be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeadSubscription {
    pub id: LeadSubscriptionId,
    pub lead: LeadId,
    /// What the lead consented for; it may have another address since.
    pub email: String,
    pub tags: Tags,
    pub state: LeadSubscriptionState,
    /// Who says that the lead consented.
    pub consent_by: Actor,
    /// What the last attempt came to, if to nothing.
    pub fault: Option<String>,
    pub created_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadSubscriptionState {
    /// The service does not know of it yet.
    Pending,
    Done,
    /// The service has refused it, or was away for too long.
    Failed,
}

impl LeadSubscriptionState {
    pub const ALL: [Self; 3] = [Self::Pending, Self::Done, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Done => "DONE",
            Self::Failed => "FAILED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// By which a service tells subscribers apart: each once, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<String>);

/// Why tags were not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTags {
    #[error("must be {MOST_TAGS} at the most")]
    TooMany,
    #[error("each {0}")]
    Text(#[from] InvalidText),
}

impl Tags {
    pub fn parse(tags: Vec<String>) -> Result<Self, InvalidTags> {
        if tags.len() > MOST_TAGS {
            return Err(InvalidTags::TooMany);
        }
        let mut parsed = Vec::new();
        for tag in tags {
            let tag = text::line(&tag, LONGEST_TAG)?;
            if !parsed.contains(&tag) {
                parsed.push(tag);
            }
        }
        Ok(Self(parsed))
    }

    pub fn stored(tags: Vec<String>) -> Self {
        Self(tags)
    }

    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl LeadSubscription {
    /// The kind of the jobs that tell the service.
    pub(super) const JOB: &'static str = "subscribe-lead";
    const JOB_KEY: &'static str = "subscription:";

    pub(super) fn job(&self) -> NewJob {
        NewJob::new(Queue::Integrations, Self::JOB, &self.id.as_uuid()).unique(format!(
            "{}{}",
            Self::JOB_KEY,
            self.id
        ))
    }

    pub(super) fn of_job(job: &DeadJob) -> Option<LeadSubscriptionId> {
        job.unique_key
            .as_deref()?
            .strip_prefix(Self::JOB_KEY)?
            .parse()
            .ok()
    }
}

/// A subscription as events and the audit trail show it. The address is the lead's to show.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeadSubscriptionSnapshot<'a> {
    id: Uuid,
    lead_id: Uuid,
    tags: &'a [String],
    state: &'static str,
}

impl<'a> From<&'a LeadSubscription> for LeadSubscriptionSnapshot<'a> {
    fn from(subscription: &'a LeadSubscription) -> Self {
        Self {
            id: subscription.id.as_uuid(),
            lead_id: subscription.lead.as_uuid(),
            tags: subscription.tags.as_slice(),
            state: subscription.state.as_str(),
        }
    }
}
