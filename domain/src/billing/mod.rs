//! What tenants pay for: plans, subscriptions, and what is asked of a payment provider.
//!
//! Whatever moves money is a row before it is a call (`request`): the row is written in the transaction that decides it, a
//! job makes the call (`make`), and the row's id is the key by which the provider knows the call again. So it may be made
//! as often as it takes, and has its effect once.
//!
//! What the provider tells by itself decides nothing (`event`): it is a reason to ask for the subscription, and what is
//! answered then is kept (`sync`).
//!
//! What tenants use is told the provider in the same way: it is a row before it is told, and told again under its id
//! (`usage`).

mod checkout;
mod event;
mod make;
mod model;
mod place;
mod port;
mod provider;
mod refund;
mod request;
mod snapshot;
mod sync;
#[cfg(test)]
mod tests;
mod usage;

pub use checkout::{CheckoutError, CheckoutSettings, start_checkout};
pub use event::{EventSignatures, ProviderEvent, Received, UnsignedEvent, receive};
pub use make::MakePayment;
pub use model::{
    CallsUsedUp, Limits, OverPlan, Plan, PlanLimits, PlanUsage, Prices, Subscription, SubscriptionStatus,
};
pub use port::{Billing, BillingDirectory, RequestConflict};
pub use provider::{
    CheckoutSession, NewCheckout, NewCustomer, NewRefund, NewUsage, Payment, PaymentFault, PaymentProvider,
    ProviderSubscription, SessionState,
};
pub use refund::{RefundDraft, RefundError, request_refund};
pub use request::{
    CheckoutOrder, PaymentOrder, PaymentRequest, PaymentRequestId, PaymentResult, PaymentState, RefundOrder,
};
pub use sync::SyncSubscription;
pub use usage::{ReportUsage, UsageReport, UsageReports, UsageState};
