use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::request::{
    CheckoutOrder, PaymentOrder, PaymentRequest, PaymentRequestId, PaymentResult, PaymentState, RefundOrder,
};
use super::snapshot::PaymentSnapshot;
use super::{NewCheckout, NewCustomer, NewRefund, PaymentFault, PaymentProvider, SessionState};
use crate::Id;
use crate::access::{Actor, SystemScope, TenantScope};
use crate::clock::Clock;
use crate::consistency::ReadIntent;
use crate::events::{Aggregate, Recorded, Source};
use crate::identity::TenantId;
use crate::jobs::{DeadJob, Done, Job, JobError, JobHandler, Retry, wait};
use crate::store::{Store, StoreError, UnitOfWork};

/// For how long a key is used. The provider forgets it after a day, and would do everything again then.
const WINDOW: time::Duration = time::Duration::hours(23);
/// More than there are in that time: what ends a request is its age.
pub(super) const MOST_ATTEMPTS: u32 = 100_000;
/// No pause is longer, whatever the provider wants: the window goes on meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// Asks the payment provider for what was decided, by the key of its row, until it is known what became of it.
///
/// Nothing of the database is held while the provider is waited for. When the process ends in between, it is asked again
/// by the same key.
#[derive(Clone, Debug)]
pub struct MakePayment {
    store: Arc<dyn Store>,
    provider: Arc<dyn PaymentProvider>,
    clock: Arc<dyn Clock>,
    /// Its pauses count.
    retry: Retry,
}

impl MakePayment {
    pub fn new(
        store: Arc<dyn Store>,
        provider: Arc<dyn PaymentProvider>,
        clock: Arc<dyn Clock>,
        retry: Retry,
    ) -> Self {
        Self {
            store,
            provider,
            clock,
            retry: Retry {
                attempts: MOST_ATTEMPTS,
                ..retry
            },
        }
    }

    async fn read(
        &self,
        scope: &TenantScope,
        id: PaymentRequestId,
    ) -> Result<Option<(PaymentRequest, Option<String>)>, StoreError> {
        let mut uow = self.store.read(scope, ReadIntent::STRONG).await?;
        let Some(request) = uow.billing().find(id).await? else {
            return Ok(None);
        };
        let customer = uow.billing().customer().await?;
        uow.commit().await?;
        Ok(Some((request, customer)))
    }

    async fn make(
        &self,
        scope: &TenantScope,
        request: &PaymentRequest,
        customer: Option<String>,
    ) -> Result<Result<PaymentResult, PaymentFault>, StoreError> {
        Ok(match &request.order {
            PaymentOrder::Checkout(order) => {
                let customer = match customer {
                    Some(customer) => customer,
                    None => match self.create_customer(scope, request.id, order).await? {
                        Ok(customer) => customer,
                        Err(fault) => return Ok(Err(fault)),
                    },
                };
                self.open_checkout(scope.tenant(), request.id, order, &customer)
                    .await
            }
            PaymentOrder::Refund(order) => {
                self.refund(scope.tenant(), request.id, order, customer.as_deref())
                    .await
            }
        })
    }

    async fn create_customer(
        &self,
        scope: &TenantScope,
        id: PaymentRequestId,
        order: &CheckoutOrder,
    ) -> Result<Result<String, PaymentFault>, StoreError> {
        let customer = NewCustomer {
            tenant: scope.tenant().as_uuid(),
            name: &order.customer_name,
            email: order.customer_email.as_deref(),
        };
        let made = self
            .provider
            .create_customer(&format!("{id}-customer"), &customer)
            .await;
        let customer = match made {
            Ok(customer) => customer,
            Err(fault) => return Ok(Err(fault)),
        };
        // Before anything is paid in its name, so that it is known whose it is.
        let mut uow = self.store.begin_behind(scope).await?;
        let customer = uow.billing().keep_customer(&customer).await?;
        uow.commit().await?;
        Ok(Ok(customer))
    }

    async fn open_checkout(
        &self,
        tenant: TenantId,
        id: PaymentRequestId,
        order: &CheckoutOrder,
        customer: &str,
    ) -> Result<PaymentResult, PaymentFault> {
        if let Some(before) = &order.replaces {
            let state = self
                .provider
                .close_checkout(&format!("{id}-close"), before)
                .await?;
            if state != SessionState::Expired {
                return Err(PaymentFault::Refused(
                    "the checkout before it was paid".to_owned(),
                ));
            }
        }
        let checkout = NewCheckout {
            tenant: tenant.as_uuid(),
            customer,
            price: &order.price,
            success_url: &order.success_url,
            cancel_url: &order.cancel_url,
        };
        let page = self.provider.open_checkout(&id.to_string(), &checkout).await?;
        Ok(PaymentResult {
            id: page.id,
            url: Some(page.url),
            until: Some(page.expires_at),
        })
    }

    async fn refund(
        &self,
        tenant: TenantId,
        id: PaymentRequestId,
        order: &RefundOrder,
        customer: Option<&str>,
    ) -> Result<PaymentResult, PaymentFault> {
        let payment = self.provider.payment(&order.payment).await?;
        if customer.is_none() || payment.customer.as_deref() != customer {
            return Err(PaymentFault::Refused(
                "the tenant has not made this payment".to_owned(),
            ));
        }
        let refund = NewRefund {
            tenant: tenant.as_uuid(),
            payment: &order.payment,
            amount: order.amount,
        };
        let refund = self.provider.refund(&id.to_string(), &refund).await?;
        Ok(PaymentResult {
            id: refund,
            url: None,
            until: None,
        })
    }

    /// Notes what an attempt came to, and has the job finished or put off with that.
    async fn settle(
        &self,
        scope: &TenantScope,
        job: &Job,
        id: PaymentRequestId,
        came: Result<PaymentResult, PaymentFault>,
    ) -> Result<Done, JobError> {
        let mut uow = self.store.begin_behind(scope).await?;
        let Some(mut request) = uow.billing().find_for_update(id).await? else {
            return finish(uow, job).await;
        };
        if !request.state.is_pending() {
            // It is of no use any more; where to pay nobody learns.
            return finish(uow, job).await;
        }
        request.attempts += 1;
        match came {
            Ok(result) => end(&mut *uow, &mut request, PaymentState::Done(result), None).await?,
            Err(PaymentFault::Refused(why)) => {
                end(&mut *uow, &mut request, PaymentState::Refused, Some(why)).await?;
            }
            Err(PaymentFault::Later { fault, after }) => {
                let fault = fault.to_string();
                let pause = self.retry.after(job.attempt, id.as_uuid());
                let wanted = after.unwrap_or_default().min(LONGEST_PAUSE);
                let pause = pause.unwrap_or(self.retry.most).max(wanted);
                request.fault = Some(fault.clone());
                uow.billing().update(&request).await?;
                uow.jobs().postpone(&job.ticket, pause, Some(&fault)).await?;
                uow.commit().await?;
                return Ok(Done::Postponed);
            }
        }
        finish(uow, job).await
    }

    async fn give_up(
        &self,
        scope: &TenantScope,
        id: PaymentRequestId,
    ) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let mut uow = self.store.begin_behind(scope).await?;
        if let Some(mut request) = uow.billing().find_for_update(id).await?
            && request.state.is_pending()
        {
            let fault = request.fault.take();
            end(&mut *uow, &mut request, PaymentState::Unknown, fault).await?;
        }
        Ok(uow)
    }

    fn is_too_old(&self, created_at: OffsetDateTime) -> bool {
        self.clock.now() - created_at > WINDOW
    }
}

async fn finish(mut uow: Box<dyn UnitOfWork>, job: &Job) -> Result<Done, JobError> {
    uow.jobs().finish(&job.ticket).await?;
    uow.commit().await?;
    Ok(Done::WithItsEffect)
}

async fn end(
    uow: &mut dyn UnitOfWork,
    request: &mut PaymentRequest,
    state: PaymentState,
    fault: Option<String>,
) -> Result<(), StoreError> {
    let before = request.clone();
    request.state = state;
    request.fault = fault;
    uow.billing().update(request).await?;
    uow.record(
        Recorded::new(
            "payment_settled",
            Aggregate::Payment,
            request.id.as_uuid(),
            Actor::System,
        )
        .by(Source::System)
        .before(&PaymentSnapshot::from(&before))
        .after(&PaymentSnapshot::from(&*request)),
    );
    Ok(())
}

/// The rows of the tenant whose job it is.
pub(super) fn scope(job: &Job) -> Result<TenantScope, JobError> {
    let tenant = job.owner().tenant();
    tenant
        .map(of_tenant)
        .ok_or_else(|| JobError::Reject("payments belong to tenants".into()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a job names its tenant, which has enqueued it"
)]
pub(super) fn of_tenant(tenant: TenantId) -> TenantScope {
    SystemScope::new("to ask the payment provider").tenant(tenant)
}

#[async_trait]
impl JobHandler for MakePayment {
    fn kind(&self) -> &'static str {
        PaymentRequest::JOB
    }

    fn retry(&self) -> Option<Retry> {
        Some(self.retry)
    }

    async fn run(&self, job: &Job) -> Result<Done, JobError> {
        let scope = scope(job)?;
        let id: Uuid =
            serde_json::from_str(job.payload.get()).map_err(|error| JobError::Reject(error.into()))?;
        let id = Id::from_uuid(id);
        let read = self.read(&scope, id).await?;
        let pending = read.filter(|(request, _)| request.state.is_pending());
        let Some((request, customer)) = pending else {
            return finish(self.store.begin_behind(&scope).await?, job).await;
        };
        if self.is_too_old(request.created_at) {
            return finish(self.give_up(&scope, id).await?, job).await;
        }
        if let Some(pause) = self.provider.closed_for() {
            return wait(&*self.store, &scope, job, pause).await;
        }
        let came = self.make(&scope, &request, customer).await?;
        self.settle(&scope, job, id, came).await
    }

    /// Nobody asks for it any more: that is shown.
    async fn died(&self, job: &DeadJob) -> Result<(), StoreError> {
        let (Some(tenant), Some(id)) = (job.owner.tenant(), PaymentRequest::of_job(job)) else {
            return Ok(());
        };
        self.give_up(&of_tenant(tenant), id).await?.commit().await?;
        Ok(())
    }
}
