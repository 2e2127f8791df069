use actix_web::{HttpRequest, HttpResponse, post, web};
use fairlead_domain::billing::{self, ProviderEvent, Received};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Services;
use crate::json::collect;
use crate::problem::{Kind, Problem};
use crate::spec::Problematic;
use crate::spec::Problems;

/// An event with an invoice of many lines has less.
const MOST_BYTES: usize = 1024 * 1024;
const SIGNATURE: &str = "stripe-signature";

/// What was done about an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReceivedEvent, example = json!({"received": true, "outcome": "taken"}))]
struct ReceivedView {
    received: bool,
    /// `taken`; `known`, when it was told before; or `ignored`, when it is about nothing of this installation.
    outcome: &'static str,
}

/// Why an event is not taken.
struct Untaken;

impl Problematic for Untaken {
    const KINDS: &'static [Kind] = &[Kind::NotFound, Kind::MalformedRequest];
}

/// Receive an event of Stripe.
///
/// For Stripe alone, by its signature (`Stripe-Signature`), which counts for five minutes. What has become of a
/// subscription is asked for, not taken from the event, so events may come twice, late, and in any order.
#[utoipa::path(
    tag = "billing",
    operation_id = "receiveStripeEvent",
    params(("Stripe-Signature" = String, Header, description = "When it was signed, and the signatures: `t=…,v1=…`.")),
    request_body(content = Object, content_type = "application/json", description = "The event.", example = json!({
        "id": "evt_1NG8Du2eZvKYlo2CUI79vXWy", "object": "event", "type": "customer.subscription.updated",
        "data": {"object": {"id": "sub_1MowQVLkdIwHu7ixeRlqHVzs", "object": "subscription", "customer": "cus_Na6dX7aXxi11N4"}},
    })),
    responses((status = 200, description = "It was received.", body = ReceivedView), Problems<Untaken>),
)]
#[post("/billing/webhooks/stripe")]
pub(super) async fn receive(
    services: web::Data<Services>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let Some(signatures) = &services.billing.signatures else {
        return Err(Problem::client(
            Kind::NotFound,
            "no events of Stripe are taken here: billing.stripe.webhook_secret is not set",
        ));
    };
    let signature = request
        .headers()
        .get(SIGNATURE)
        .and_then(|value| value.to_str().ok());
    let signature = signature.unwrap_or_default().to_owned();
    let body = collect(&request, &mut payload.into_inner(), MOST_BYTES).await?;
    let malformed = |detail: String| Problem::client(Kind::MalformedRequest, detail);
    signatures
        .verify(&signature, &body, services.clock.now())
        .map_err(|unsigned| malformed(format!("Stripe-Signature: {unsigned}")))?;
    let event = ProviderEvent::parse(&body).ok_or_else(|| malformed("the body is no event".to_owned()))?;

    let received = billing::receive(&*services.billing.directory, &*services.store, &event).await?;

    let outcome = match received {
        Received::Taken => "taken",
        Received::Known => "known",
        Received::Ignored => "ignored",
    };
    tracing::debug!(
        event = event.id,
        kind = event.event_type,
        outcome,
        "an event of Stripe"
    );
    Ok(HttpResponse::Ok().json(ReceivedView {
        received: true,
        outcome,
    }))
}
