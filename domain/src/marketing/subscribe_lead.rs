use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::model::LeadSubscriptionSnapshot;
use super::{
    LeadSubscription, LeadSubscriptionId, LeadSubscriptionState, MailingFault, MailingList, NewSubscriber,
};
use crate::Id;
use crate::access::{Actor, SystemScope, TenantScope};
use crate::consistency::ReadIntent;
use crate::events::{Aggregate, Recorded, Source};
use crate::identity::TenantId;
use crate::jobs::{DeadJob, Done, Job, JobError, JobHandler, wait};
use crate::store::{Store, StoreError};

/// Tells the service of a lead that has consented.
///
/// Nothing of the database is held while the service is waited for. When the process ends in between, it is told once
/// more, which changes nothing.
#[derive(Clone, Debug)]
pub struct SubscribeLead {
    store: Arc<dyn Store>,
    list: Arc<dyn MailingList>,
}

impl SubscribeLead {
    pub fn new(store: Arc<dyn Store>, list: Arc<dyn MailingList>) -> Self {
        Self { store, list }
    }

    /// Whom the service is to be told of; `None`: nobody any more.
    async fn read(
        &self,
        scope: &TenantScope,
        id: LeadSubscriptionId,
    ) -> Result<Option<(LeadSubscription, String)>, StoreError> {
        let mut uow = self.store.read(scope, ReadIntent::STRONG).await?;
        let Some(subscription) = uow.lead_subscriptions().find(id).await? else {
            return Ok(None);
        };
        let lead = uow.leads().find(subscription.lead).await?;
        uow.commit().await?;
        let is_pending = subscription.state == LeadSubscriptionState::Pending;
        Ok(lead.filter(|_| is_pending).map(|lead| (subscription, lead.name)))
    }

    async fn settle(
        &self,
        scope: &TenantScope,
        id: LeadSubscriptionId,
        job: Option<&Job>,
        came: Result<(), String>,
    ) -> Result<(), JobError> {
        let mut uow = self.store.begin_behind(scope).await?;
        let found = uow.lead_subscriptions().find_for_update(id).await?;
        if let Some(before) = found.filter(|found| found.state == LeadSubscriptionState::Pending) {
            let mut after = before.clone();
            let event = match came {
                Ok(()) => {
                    after.state = LeadSubscriptionState::Done;
                    Recorded::new(
                        "lead_subscribed",
                        Aggregate::LeadSubscription,
                        id.as_uuid(),
                        Actor::System,
                    )
                }
                Err(why) => {
                    after.state = LeadSubscriptionState::Failed;
                    after.fault = Some(why);
                    Recorded::new(
                        "lead_subscription_failed",
                        Aggregate::LeadSubscription,
                        id.as_uuid(),
                        Actor::System,
                    )
                }
            };
            uow.lead_subscriptions().update(&after).await?;
            uow.record(
                event
                    .by(Source::System)
                    .before(&LeadSubscriptionSnapshot::from(&before))
                    .after(&LeadSubscriptionSnapshot::from(&after)),
            );
        }
        if let Some(job) = job {
            uow.jobs().finish(&job.ticket).await?;
        }
        uow.commit().await?;
        Ok(())
    }
}

#[async_trait]
impl JobHandler for SubscribeLead {
    fn kind(&self) -> &'static str {
        LeadSubscription::JOB
    }

    async fn run(&self, job: &Job) -> Result<Done, JobError> {
        let tenant = job.owner().tenant();
        let tenant = tenant.ok_or_else(|| JobError::Reject("subscribers belong to tenants".into()))?;
        let scope = of_tenant(tenant);
        let id: Uuid =
            serde_json::from_str(job.payload.get()).map_err(|error| JobError::Reject(error.into()))?;
        let id = Id::from_uuid(id);
        let Some((subscription, name)) = self.read(&scope, id).await? else {
            return Ok(Done::Now);
        };
        if let Some(pause) = self.list.closed_for() {
            return wait(&*self.store, &scope, job, pause).await;
        }
        let subscriber = NewSubscriber {
            email: &subscription.email,
            name: &name,
            tags: subscription.tags.as_slice(),
        };
        match self.list.subscribe(&subscriber).await {
            Ok(()) => {
                self.settle(&scope, id, Some(job), Ok(())).await?;
                Ok(Done::WithItsEffect)
            }
            Err(fault) if fault.is_final() => Err(JobError::Reject(fault.into())),
            Err(MailingFault {
                after: Some(after), ..
            }) => wait(&*self.store, &scope, job, after).await,
            Err(fault) => Err(JobError::Retry(fault.into())),
        }
    }

    /// Whoever looks sees that nobody tries any more.
    async fn died(&self, job: &DeadJob) -> Result<(), StoreError> {
        let (Some(tenant), Some(id)) = (job.owner.tenant(), LeadSubscription::of_job(job)) else {
            return Ok(());
        };
        let why = "the service has refused it, or was away for too long".to_owned();
        match self.settle(&of_tenant(tenant), id, None, Err(why)).await {
            Err(JobError::Store(error)) => Err(error),
            _ => Ok(()),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a job names its tenant, which has enqueued it"
)]
fn of_tenant(tenant: TenantId) -> TenantScope {
    SystemScope::new("to tell a marketing service").tenant(tenant)
}
