use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{PaymentOrder, PaymentRequest, Plan, Subscription};

/// What was asked of the provider, as events and the audit trail show it. Where to pay is not shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentSnapshot<'a> {
    id: Uuid,
    kind: &'static str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_by: Option<&'a str>,
    provider_id: Option<&'a str>,
}

impl<'a> From<&'a PaymentRequest> for PaymentSnapshot<'a> {
    fn from(request: &'a PaymentRequest) -> Self {
        let (plan, refund) = match &request.order {
            PaymentOrder::Checkout(order) => (Some(order.plan.as_str()), None),
            PaymentOrder::Refund(order) => (None, Some(order)),
        };
        Self {
            id: request.id.as_uuid(),
            kind: request.order.kind(),
            state: request.state.as_str(),
            plan,
            reference: refund.map(|order| order.reference.as_str()),
            amount: refund.and_then(|order| order.amount),
            reason: refund.map(|order| order.reason.as_str()),
            requested_by: refund.map(|order| order.requested_by.as_str()),
            provider_id: request.state.result().map(|result| result.id.as_str()),
        }
    }
}

/// A subscription as events and the audit trail show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionSnapshot<'a> {
    provider_id: &'a str,
    plan: &'static str,
    status: &'static str,
    #[serde(with = "time::serde::rfc3339::option")]
    current_period_end: Option<OffsetDateTime>,
    cancel_at_period_end: bool,
}

impl<'a> From<&'a Subscription> for SubscriptionSnapshot<'a> {
    fn from(subscription: &'a Subscription) -> Self {
        Self {
            provider_id: &subscription.provider_id,
            plan: Plan::as_str(Subscription::plan_in_force(Some(subscription))),
            status: subscription.status.as_str(),
            current_period_end: subscription.current_period_end,
            cancel_at_period_end: subscription.cancel_at_period_end,
        }
    }
}
