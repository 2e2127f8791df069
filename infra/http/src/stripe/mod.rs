//! Stripe, as its API reference has it: <https://docs.stripe.com/api>. Forms go there, JSON comes back.

mod form;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::billing::{
    CheckoutSession, NewCheckout, NewCustomer, NewRefund, NewUsage, Payment, PaymentFault, PaymentProvider,
    ProviderSubscription, SessionState,
};
use fairlead_domain::upstreams::UpstreamFault;
use reqwest::Method;
use serde::de::DeserializeOwned;

use crate::Upstream;
use crate::upstream::{Call, Failed, Repeat};
use form::Form;

/// What the forms below are those of: <https://docs.stripe.com/changelog/clover>. Without it an account's own counts.
const VERSION: &str = "2025-09-30.clover";
/// No tenant has more subscriptions, ended ones included, of which one counts.
const MOST_SUBSCRIPTIONS: u32 = 100;

/// An account of Stripe.
#[derive(Clone, Debug)]
pub struct StripeProvider {
    upstream: Arc<Upstream>,
}

impl StripeProvider {
    pub fn new(upstream: Arc<Upstream>) -> Self {
        Self { upstream }
    }

    /// Asks whether a price is there to be subscribed to: free of charge. `Ok(false)`: there is none, or not such.
    pub async fn has_price(&self, price: &str) -> Result<bool, UpstreamFault> {
        match self
            .upstream
            .call::<wire::Price>(&look(format!("/v1/prices/{price}")))
            .await
        {
            Ok(found) => Ok(found.id == price && found.active && found.recurring.is_some()),
            Err(UpstreamFault::Refused(404)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    async fn send<T: DeserializeOwned>(&self, call: &Call) -> Result<T, PaymentFault> {
        self.upstream
            .call_for_more(call)
            .await
            .map_err(|failed| fault(&failed))
    }

    async fn session(&self, call: &Call) -> Result<SessionState, PaymentFault> {
        let session: wire::Session = self.send(call).await?;
        session.state().ok_or_else(malformed)
    }
}

#[async_trait]
impl PaymentProvider for StripeProvider {
    fn closed_for(&self) -> Option<Duration> {
        self.upstream.closed_for()
    }

    /// <https://docs.stripe.com/api/customers/create>
    #[tracing::instrument(level = "debug", name = "http.stripe.create_customer", skip_all)]
    async fn create_customer(&self, key: &str, customer: &NewCustomer<'_>) -> Result<String, PaymentFault> {
        let form = Form::default()
            .add("name", customer.name)
            .add_some("email", customer.email)
            .add("metadata[tenant]", customer.tenant);
        let made: wire::Named = self.send(&change("/v1/customers", key, form)).await?;
        made.id_beginning_with("cus_").ok_or_else(malformed)
    }

    /// <https://docs.stripe.com/api/checkout/sessions/create>
    #[tracing::instrument(level = "debug", name = "http.stripe.open_checkout", skip_all)]
    async fn open_checkout(
        &self,
        key: &str,
        checkout: &NewCheckout<'_>,
    ) -> Result<CheckoutSession, PaymentFault> {
        let form = Form::default()
            .add("mode", "subscription")
            .add("customer", checkout.customer)
            .add("line_items[0][price]", checkout.price)
            .add("line_items[0][quantity]", 1)
            .add("success_url", checkout.success_url)
            .add("cancel_url", checkout.cancel_url)
            .add("client_reference_id", checkout.tenant)
            .add("subscription_data[metadata][tenant]", checkout.tenant)
            .add("metadata[request]", key);
        let session: wire::Session = self.send(&change("/v1/checkout/sessions", key, form)).await?;
        session.page(checkout.customer).ok_or_else(malformed)
    }

    /// <https://docs.stripe.com/api/checkout/sessions/expire>
    #[tracing::instrument(level = "debug", name = "http.stripe.close_checkout", skip_all)]
    async fn close_checkout(&self, key: &str, session: &str) -> Result<SessionState, PaymentFault> {
        let path = format!("/v1/checkout/sessions/{session}");
        let closed = self
            .session(&change(&format!("{path}/expire"), key, Form::default()))
            .await;
        match closed {
            // It is not open any more: why?
            Err(PaymentFault::Refused(_)) => self.session(&look(path)).await,
            closed => closed,
        }
    }

    /// <https://docs.stripe.com/api/payment_intents/retrieve>
    #[tracing::instrument(level = "debug", name = "http.stripe.payment", skip_all)]
    async fn payment(&self, id: &str) -> Result<Payment, PaymentFault> {
        let found: wire::PaymentIntent = self.send(&look(format!("/v1/payment_intents/{id}"))).await?;
        if found.id != id {
            return Err(malformed());
        }
        Ok(Payment {
            customer: found.customer,
        })
    }

    /// <https://docs.stripe.com/api/refunds/create>
    #[tracing::instrument(level = "debug", name = "http.stripe.refund", skip_all)]
    async fn refund(&self, key: &str, refund: &NewRefund<'_>) -> Result<String, PaymentFault> {
        let form = Form::default()
            .add("payment_intent", refund.payment)
            .add_some("amount", refund.amount)
            .add("metadata[tenant]", refund.tenant)
            .add("metadata[request]", key);
        let made: wire::Refund = self.send(&change("/v1/refunds", key, form)).await?;
        if matches!(made.status.as_deref(), Some("failed" | "canceled")) {
            return Err(PaymentFault::Refused("the refund failed".to_owned()));
        }
        made.named.id_beginning_with("re_").ok_or_else(malformed)
    }

    /// <https://docs.stripe.com/api/billing/meter-event/create>. One whose identifier is known is refused: it was taken.
    #[tracing::instrument(level = "debug", name = "http.stripe.report_usage", skip_all)]
    async fn report_usage(&self, key: &str, usage: &NewUsage<'_>) -> Result<(), PaymentFault> {
        let form = Form::default()
            .add("event_name", usage.meter)
            .add("identifier", key)
            .add("timestamp", usage.at.unix_timestamp())
            .add("payload[stripe_customer_id]", usage.customer)
            .add("payload[value]", usage.value);
        // Not tried again here: what came of the last attempt would say nothing of the one before.
        let call = Call {
            repeat: Repeat::Never,
            ..change("/v1/billing/meter_events", key, form)
        };
        match self.upstream.call_for_more::<wire::MeterEvent>(&call).await {
            Ok(taken) if taken.identifier == key => Ok(()),
            Ok(_) => Err(malformed()),
            Err(failed) if wire::is_known_event(&failed.refusal, key) => Ok(()),
            Err(failed) => Err(fault(&failed)),
        }
    }

    /// <https://docs.stripe.com/api/subscriptions/list>
    #[tracing::instrument(level = "debug", name = "http.stripe.subscriptions", skip_all)]
    async fn subscriptions(&self, customer: &str) -> Result<Vec<ProviderSubscription>, PaymentFault> {
        let query = Form::default()
            .add("customer", customer)
            .add("status", "all")
            .add("limit", MOST_SUBSCRIPTIONS);
        let call = look(format!("/v1/subscriptions?{}", query.finish()));
        let found = match self.upstream.call_for_more::<wire::Subscriptions>(&call).await {
            Ok(found) => found,
            // Whoever was removed there has none.
            Err(failed) if wire::is_missing_customer(&failed.refusal) => return Ok(Vec::new()),
            Err(failed) => return Err(fault(&failed)),
        };
        let read = |subscription: wire::Subscription| subscription.read(customer);
        found
            .data
            .into_iter()
            .map(read)
            .collect::<Option<_>>()
            .ok_or_else(malformed)
    }
}

/// What has its effect once, by its key.
fn change(path: &str, key: &str, form: Form) -> Call {
    Call {
        method: Method::POST,
        path: path.to_owned(),
        body: Some(form.finish().into()),
        headers: vec![
            ("stripe-version", VERSION.to_owned()),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("idempotency-key", key.to_owned()),
        ],
        repeat: Repeat::Always,
        ..Call::default()
    }
}

fn look(path: String) -> Call {
    Call {
        path,
        headers: vec![("stripe-version", VERSION.to_owned())],
        repeat: Repeat::Always,
        ..Call::default()
    }
}

fn malformed() -> PaymentFault {
    UpstreamFault::Malformed.into()
}

/// What a failure means: <https://docs.stripe.com/error-low-level>.
fn fault(failed: &Failed) -> PaymentFault {
    let UpstreamFault::Refused(status) = failed.fault else {
        return PaymentFault::Later {
            fault: failed.fault,
            after: failed.retry_after,
        };
    };
    // 409: another call with this key is under way, or the object is being changed.
    if failed.should_retry.unwrap_or(status == 409) {
        return PaymentFault::Later {
            fault: failed.fault,
            after: failed.retry_after,
        };
    }
    let told = wire::told(&failed.refusal);
    PaymentFault::Refused(format!(
        "{status}{}",
        told.map(|told| format!(", {told}")).unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests;
