use super::model::LeadSubscriptionSnapshot;
use super::{LeadSubscription, LeadSubscriptionState, Tags};
use crate::Id;
use crate::access::{ChangeLeads, Permit};
use crate::events::{Aggregate, Recorded};
use crate::invalid::{Faults, Invalid};
use crate::leads::LeadId;
use crate::store::{StoreError, UnitOfWork};

/// What a lead has consented to.
#[derive(Clone, Debug)]
pub struct SubscriptionDraft {
    tags: Tags,
}

impl SubscriptionDraft {
    pub fn parse(has_consented: bool, tags: Vec<String>) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        if !has_consented {
            faults.add(
                "consent",
                "must be true: nobody is written to who has not consented",
            );
        }
        let tags = faults.keep("tags", Tags::parse(tags));
        faults.finish()?;
        Ok(Self {
            tags: tags.unwrap_or_default(),
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SubscribeLeadError {
    #[error("there is no such lead")]
    NotFound,
    #[error("the lead is another agent's")]
    OutOfReach,
    #[error("the lead has no e-mail address")]
    NoEmail,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Notes that a lead has consented, and has the service told.
pub async fn subscribe(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ChangeLeads>,
    id: LeadId,
    draft: SubscriptionDraft,
) -> Result<LeadSubscription, SubscribeLeadError> {
    let lead = uow.leads().find(id).await?.ok_or(SubscribeLeadError::NotFound)?;
    if !permit.reach().covers(lead.assigned_to) {
        return Err(SubscribeLeadError::OutOfReach);
    }
    let email = lead.email.ok_or(SubscribeLeadError::NoEmail)?;
    let subscription = LeadSubscription {
        id: Id::from_uuid(uow.next_id()),
        lead: id,
        email: email.into_string(),
        tags: draft.tags,
        state: LeadSubscriptionState::Pending,
        consent_by: permit.actor(),
        fault: None,
        created_at: uow.now(),
    };
    uow.lead_subscriptions().insert(&subscription).await?;
    uow.jobs().enqueue(subscription.job()).await?;
    uow.record(
        Recorded::new(
            "lead_subscription_requested",
            Aggregate::LeadSubscription,
            subscription.id.as_uuid(),
            permit.actor(),
        )
        .after(&LeadSubscriptionSnapshot::from(&subscription)),
    );
    Ok(subscription)
}
