use time::{Duration, OffsetDateTime};

use super::place::place;
use super::request::{CheckoutOrder, PaymentOrder, PaymentRequest, PaymentState};
use super::{Plan, Prices};
use crate::access::{ManageBilling, Permit};
use crate::store::{StoreError, UnitOfWork};

/// A page that closes sooner is not shown any more: nobody pays that fast.
const LEAST_TIME: Duration = Duration::minutes(5);
/// A checkout that the provider has not opened in that time is begun anew when somebody asks for it. Where to pay for the
/// one before nobody knows, so nobody pays twice.
const PATIENCE: Duration = Duration::minutes(1);

/// How checkouts are made.
#[derive(Clone, Debug, Default)]
pub struct CheckoutSettings {
    pub prices: Prices,
    /// Where payers are led when they have paid, and when they have not.
    pub success_url: String,
    pub cancel_url: String,
}

#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    #[error("the plan {} is not for sale here", .0.as_str())]
    NotForSale(Plan),
    #[error("the tenant has a subscription that is {status}: it must end before another one is paid for")]
    Subscribed { status: &'static str },
    #[error("a checkout of another plan is being opened: ask again in a minute")]
    UnderWay,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Has a page opened on which a plan is paid for, unless there is one that is still open: it is returned then.
pub async fn start_checkout(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageBilling>,
    settings: &CheckoutSettings,
    plan: Plan,
) -> Result<PaymentRequest, CheckoutError> {
    let price = settings.prices.of(plan).ok_or(CheckoutError::NotForSale(plan))?;
    // Two who ask at once get the same page.
    let tenant = uow.tenants().get_for_update().await?;
    let subscription = uow.billing().subscription().await?;
    if let Some(subscription) = subscription.filter(|subscription| !subscription.status.is_over()) {
        return Err(CheckoutError::Subscribed {
            status: subscription.status.as_str(),
        });
    }
    let before = uow.billing().open_checkout_for_update().await?;
    let mut replaces = None;
    if let Some(mut before) = before {
        let is_same = matches!(&before.order, PaymentOrder::Checkout(order) if order.plan == plan.as_str() && order.price == price);
        let is_young = uow.now() - before.created_at < PATIENCE;
        match before.state.result() {
            None if is_young && is_same => return Ok(before),
            None if is_young => return Err(CheckoutError::UnderWay),
            Some(page) if is_same && is_open(page.until, uow.now()) => return Ok(before),
            Some(page) if is_past(page.until, uow.now()) => {}
            Some(page) => replaces = Some(page.id.clone()),
            None => {}
        }
        before.state = PaymentState::Closed;
        uow.billing().update(&before).await?;
    }
    let email = match permit.actor().user() {
        Some(user) => uow.users().find(user).await?.map(|user| user.email),
        None => None,
    };
    let order = CheckoutOrder {
        plan: plan.as_str().to_owned(),
        price: price.to_owned(),
        success_url: settings.success_url.clone(),
        cancel_url: settings.cancel_url.clone(),
        customer_name: tenant.name,
        customer_email: email,
        replaces,
    };
    Ok(place(uow, permit.actor(), PaymentOrder::Checkout(order)).await?)
}

fn is_open(until: Option<OffsetDateTime>, now: OffsetDateTime) -> bool {
    until.is_some_and(|until| until - now > LEAST_TIME)
}

fn is_past(until: Option<OffsetDateTime>, now: OffsetDateTime) -> bool {
    until.is_some_and(|until| until <= now)
}
