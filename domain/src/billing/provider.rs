use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::SubscriptionStatus;
use crate::upstreams::UpstreamFault;

/// Takes money for this installation, in bounded time. Nobody may hold a connection to the database meanwhile.
///
/// A call with a key has its effect once, however often it is made with the same words within a day.
#[async_trait]
pub trait PaymentProvider: Debug + Send + Sync {
    /// How long nobody is asked; `None`: a call would be made now.
    fn closed_for(&self) -> Option<Duration>;

    /// Makes somebody known who will pay; returns the provider's id.
    async fn create_customer(&self, key: &str, customer: &NewCustomer<'_>) -> Result<String, PaymentFault>;

    /// Opens a page on which a subscription is paid for.
    async fn open_checkout(
        &self,
        key: &str,
        checkout: &NewCheckout<'_>,
    ) -> Result<CheckoutSession, PaymentFault>;

    /// Makes sure that nobody can pay there any more. Returns how the page stands then: what was paid before was paid.
    async fn close_checkout(&self, key: &str, session: &str) -> Result<SessionState, PaymentFault>;

    /// Says what was paid, by whom.
    async fn payment(&self, id: &str) -> Result<Payment, PaymentFault>;

    /// Pays back; returns the provider's id of that.
    async fn refund(&self, key: &str, refund: &NewRefund<'_>) -> Result<String, PaymentFault>;

    /// Says that a customer has used so much of what is metered, in one attempt. It counts once for each key.
    async fn report_usage(&self, key: &str, usage: &NewUsage<'_>) -> Result<(), PaymentFault>;

    /// The subscriptions of a customer, ended ones included, the newest first; none, too, of one that the provider does not
    /// know any more.
    async fn subscriptions(&self, customer: &str) -> Result<Vec<ProviderSubscription>, PaymentFault>;
}

/// Who will pay.
#[derive(Clone, Copy, Debug)]
pub struct NewCustomer<'a> {
    pub tenant: Uuid,
    pub name: &'a str,
    pub email: Option<&'a str>,
}

/// What is to be paid for.
#[derive(Clone, Copy, Debug)]
pub struct NewCheckout<'a> {
    pub tenant: Uuid,
    pub customer: &'a str,
    pub price: &'a str,
    /// Where the payer is led when it was paid, and when it was not.
    pub success_url: &'a str,
    pub cancel_url: &'a str,
}

/// A page to pay on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutSession {
    pub id: String,
    pub url: String,
    pub expires_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    Open,
    Paid,
    Expired,
}

/// What was paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// `None`: by nobody who is known.
    pub customer: Option<String>,
}

/// What is to be paid back.
#[derive(Clone, Copy, Debug)]
pub struct NewRefund<'a> {
    pub tenant: Uuid,
    pub payment: &'a str,
    /// In the smallest unit of the currency of the payment; `None`: all that is left of it.
    pub amount: Option<u64>,
}

/// What somebody has used.
#[derive(Clone, Copy, Debug)]
pub struct NewUsage<'a> {
    /// What the provider calls that by which it adds up.
    pub meter: &'a str,
    pub customer: &'a str,
    pub value: u64,
    pub at: OffsetDateTime,
}

/// A subscription as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSubscription {
    pub id: String,
    pub status: SubscriptionStatus,
    /// The prices of what it is for.
    pub prices: Vec<String>,
    pub current_period_end: Option<OffsetDateTime>,
    pub cancel_at_period_end: bool,
    pub created_at: OffsetDateTime,
}

/// Why a call came to nothing, or nobody knows what it came to. Nothing that was sent or answered stands in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentFault {
    /// It may have had its effect. With the same key it may be made again.
    #[error("{fault}")]
    Later {
        fault: UpstreamFault,
        /// When the provider wants to be asked again.
        after: Option<Duration>,
    },
    /// It had no effect, and never will.
    #[error("the provider refused it: {0}")]
    Refused(String),
}

impl From<UpstreamFault> for PaymentFault {
    fn from(fault: UpstreamFault) -> Self {
        Self::Later { fault, after: None }
    }
}
