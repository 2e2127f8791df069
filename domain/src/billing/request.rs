use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::Id;
use crate::jobs::{DeadJob, NewJob, Queue};

pub type PaymentRequestId = Id<PaymentRequest>;

/// Something that is asked of the payment provider, until it is known what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRequest {
    /// Also the key by which the provider knows it again.
    pub id: PaymentRequestId,
    /// Never changes: with other words the same key would be refused.
    pub order: PaymentOrder,
    pub state: PaymentState,
    /// How often the provider was asked.
    pub attempts: u32,
    /// What the last attempt came to, if to nothing.
    pub fault: Option<String>,
    pub created_at: OffsetDateTime,
}

/// What is asked, in words that are sent as they stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentOrder {
    Checkout(CheckoutOrder),
    Refund(RefundOrder),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutOrder {
    pub plan: String,
    pub price: String,
    pub success_url: String,
    pub cancel_url: String,
    /// Of whoever has not paid before.
    pub customer_name: String,
    pub customer_email: Option<String>,
    /// The page that must be closed first: nobody is to pay on both.
    pub replaces: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundOrder {
    /// What it is called by whoever asks: the same again is the same refund.
    pub reference: String,
    /// What the provider calls the payment.
    pub payment: String,
    pub amount: Option<u64>,
    pub reason: String,
    /// The operator who asked first.
    pub requested_by: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentState {
    /// It will be asked for, or again.
    Pending,
    Done(PaymentResult),
    /// It had no effect.
    Refused,
    /// Nobody knows whether it had its effect, and nobody asks any more: the provider would not know the key again.
    Unknown,
    /// It is of no use any more.
    Closed,
}

/// What the provider has made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentResult {
    pub id: String,
    /// Of a page to pay on,
    pub url: Option<String>,
    /// and until when that is open.
    pub until: Option<OffsetDateTime>,
}

impl PaymentState {
    pub const NAMES: [&'static str; 5] = ["PENDING", "DONE", "REFUSED", "UNKNOWN", "CLOSED"];

    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Done(_) => "DONE",
            Self::Refused => "REFUSED",
            Self::Unknown => "UNKNOWN",
            Self::Closed => "CLOSED",
        }
    }

    pub fn result(&self) -> Option<&PaymentResult> {
        match self {
            Self::Done(result) => Some(result),
            _ => None,
        }
    }

    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Pending)
    }
}

impl PaymentOrder {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Checkout(_) => "CHECKOUT",
            Self::Refund(_) => "REFUND",
        }
    }

    /// Tells one from others of its kind; `None`: nothing does.
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::Checkout(_) => None,
            Self::Refund(order) => Some(&order.reference),
        }
    }

    /// Whether it is this refund, whoever asks.
    pub(super) fn is_as(&self, refund: &RefundOrder) -> bool {
        match self {
            Self::Checkout(_) => false,
            Self::Refund(order) => {
                (&order.payment, order.amount, &order.reason)
                    == (&refund.payment, refund.amount, &refund.reason)
            }
        }
    }
}

impl PaymentRequest {
    /// The kind of the jobs that ask for it.
    pub(super) const JOB: &'static str = "make-payment";
    const JOB_KEY: &'static str = "payment:";

    pub(super) fn new(id: PaymentRequestId, order: PaymentOrder, created_at: OffsetDateTime) -> Self {
        Self {
            id,
            order,
            state: PaymentState::Pending,
            attempts: 0,
            fault: None,
            created_at,
        }
    }

    /// The job that asks for it.
    pub(super) fn job(&self) -> NewJob {
        NewJob::new(Queue::Integrations, Self::JOB, &self.id.as_uuid()).unique(format!(
            "{}{}",
            Self::JOB_KEY,
            self.id
        ))
    }

    pub(super) fn of_job(job: &DeadJob) -> Option<PaymentRequestId> {
        job.unique_key
            .as_deref()?
            .strip_prefix(Self::JOB_KEY)?
            .parse()
            .ok()
    }
}
