use std::sync::Arc;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::make::{MOST_ATTEMPTS, scope};
use super::snapshot::SubscriptionSnapshot;
use super::{
    PaymentFault, PaymentProvider, PaymentState, Prices, ProviderSubscription, Subscription,
    SubscriptionStatus,
};
use crate::access::Actor;
use crate::consistency::ReadIntent;
use crate::events::{Aggregate, Recorded, Source};
use crate::jobs::{Done, Job, JobError, JobHandler, NewJob, Queue, Retry, wait};
use crate::store::{Store, StoreError, UnitOfWork};

const KIND: &str = "sync-subscription";

/// The job that asks for the subscription of a tenant. One is enough for all who want it.
pub(super) fn job() -> NewJob {
    NewJob::new(Queue::Integrations, KIND, &()).unique("subscription")
}

/// Keeps what the provider says of the subscription of a tenant.
///
/// Only what is asked for is kept, and one at a time asks for a tenant, so nothing older ever takes the place of what is
/// newer, in whatever order the provider tells of changes. Whoever wants it while it is being asked for has it asked for
/// once more.
#[derive(Clone, Debug)]
pub struct SyncSubscription {
    store: Arc<dyn Store>,
    provider: Arc<dyn PaymentProvider>,
    prices: Prices,
    retry: Retry,
}

impl SyncSubscription {
    pub fn new(
        store: Arc<dyn Store>,
        provider: Arc<dyn PaymentProvider>,
        prices: Prices,
        retry: Retry,
    ) -> Self {
        Self {
            store,
            provider,
            prices,
            retry: Retry {
                attempts: MOST_ATTEMPTS,
                ..retry
            },
        }
    }
}

#[async_trait]
impl JobHandler for SyncSubscription {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn retry(&self) -> Option<Retry> {
        Some(self.retry)
    }

    async fn run(&self, job: &Job) -> Result<Done, JobError> {
        let scope = scope(job)?;
        let mut uow = self.store.read(&scope, ReadIntent::STRONG).await?;
        let customer = uow.billing().customer().await?;
        let wanted = uow.billing().syncs_wanted_so_far().await?;
        uow.commit().await?;
        let Some(customer) = customer else {
            return Ok(Done::Now);
        };
        if let Some(pause) = self.provider.closed_for() {
            return wait(&*self.store, &scope, job, pause).await;
        }
        let found = match self.provider.subscriptions(&customer).await {
            Ok(found) => found,
            Err(PaymentFault::Later {
                after: Some(after), ..
            }) => return wait(&*self.store, &scope, job, after).await,
            Err(fault) => return Err(JobError::Retry(fault.into())),
        };

        let mut uow = self.store.begin_behind(&scope).await?;
        let wanted_by_now = uow.billing().syncs_wanted().await?;
        match choose(&found) {
            Some(found) => keep(&mut *uow, self.read(found)).await?,
            None => end(&mut *uow).await?,
        }
        if wanted_by_now != wanted {
            uow.jobs()
                .postpone(&job.ticket, std::time::Duration::ZERO, None)
                .await?;
            uow.commit().await?;
            return Ok(Done::Postponed);
        }
        uow.jobs().finish(&job.ticket).await?;
        uow.commit().await?;
        Ok(Done::WithItsEffect)
    }
}

impl SyncSubscription {
    fn read(&self, found: &ProviderSubscription) -> Subscription {
        // The best of what it is for.
        let plan = found
            .prices
            .iter()
            .filter_map(|price| self.prices.plan(price))
            .max();
        Subscription {
            provider_id: found.id.clone(),
            plan,
            status: found.status,
            current_period_end: found.current_period_end,
            cancel_at_period_end: found.cancel_at_period_end,
            updated_at: OffsetDateTime::UNIX_EPOCH,
        }
    }
}

/// The one that counts: one that is live before one that may be, the newest of those.
pub(super) fn choose(found: &[ProviderSubscription]) -> Option<&ProviderSubscription> {
    found.iter().max_by_key(|found| {
        (
            found.status.is_live(),
            !found.status.is_over(),
            found.created_at,
            &found.id,
        )
    })
}

/// Ends what was subscribed to of which the provider knows nothing any more: with the customer it removes all that was the
/// customer's.
async fn end(uow: &mut dyn UnitOfWork) -> Result<(), StoreError> {
    let before = uow.billing().subscription().await?;
    match before.filter(|before| !before.status.is_over()) {
        Some(before) => {
            let ended = Subscription {
                status: SubscriptionStatus::Canceled,
                ..before
            };
            keep(uow, ended).await
        }
        None => Ok(()),
    }
}

async fn keep(uow: &mut dyn UnitOfWork, mut after: Subscription) -> Result<(), StoreError> {
    let before = uow.billing().subscription().await?;
    after.updated_at = uow.now();
    if before.as_ref().is_some_and(|before| before.is_as(&after)) {
        return Ok(());
    }
    uow.billing().put_subscription(&after).await?;
    // Nobody is to pay on a page that is still open.
    if !after.status.is_over()
        && let Some(mut checkout) = uow.billing().open_checkout_for_update().await?
    {
        checkout.state = PaymentState::Closed;
        uow.billing().update(&checkout).await?;
    }
    let tenant = uow.tenant().as_uuid();
    let mut recorded = Recorded::new(
        "subscription_updated",
        Aggregate::Subscription,
        tenant,
        Actor::System,
    )
    .by(Source::System)
    .after(&SubscriptionSnapshot::from(&after));
    if let Some(before) = &before {
        recorded = recorded.before(&SubscriptionSnapshot::from(before));
    }
    uow.record(recorded);
    Ok(())
}
