use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::ChangeLeads;
use fairlead_domain::leads::Lead;
use fairlead_domain::marketing::{self, LeadSubscription, SubscribeLeadError, SubscriptionDraft};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Services;
use crate::authentication::Permitted;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::path::PathId;
use crate::problem::{Kind, Problem};
use crate::spec::Problems;

/// What a lead has consented to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewLeadSubscription, example = json!({"consent": true, "tags": ["newsletter"]}))]
struct SubscribeBody {
    /// That the lead has consented to be written to; must be `true`.
    consent: bool,
    /// What the subscriber is tagged with, ten at the most.
    #[serde(default)]
    #[schema(max_items = 10)]
    tags: Vec<String>,
}

/// A lead that will be written to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LeadSubscription, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120008", "leadId": "01934f6e-7b1a-7cc3-98a4-0242ac120004", "tags": ["newsletter"],
    "state": "PENDING",
}))]
struct SubscriptionView {
    id: Uuid,
    lead_id: Uuid,
    tags: Vec<String>,
    /// `PENDING`: a job tells the service; an event `lead_subscribed` or `lead_subscription_failed` follows.
    state: &'static str,
}

impl From<LeadSubscription> for SubscriptionView {
    fn from(subscription: LeadSubscription) -> Self {
        Self {
            id: subscription.id.as_uuid(),
            lead_id: subscription.lead.as_uuid(),
            tags: subscription.tags.as_slice().to_vec(),
            state: subscription.state.as_str(),
        }
    }
}

/// Subscribe a lead to the mailing list.
///
/// Only with the lead's consent, which is kept with who says so. A job tells the marketing service (Kit), which knows a
/// subscriber by the e-mail address: whoever is there already stays, also who has unsubscribed there. To ask twice changes
/// nothing but the tags that are added.
#[utoipa::path(
    tag = "leads",
    operation_id = "subscribeLead",
    params(("id" = uuid::Uuid, Path, description = "The lead's id."), IdempotencyKey),
    request_body = SubscribeBody,
    responses(
        (status = 202, description = "It is on its way.", body = SubscriptionView),
        Problems<SubscribeLeadError>,
    ),
    extensions(("x-permit" = json!("ChangeLeads"))),
)]
#[post("/leads/{id}/subscribe")]
pub(super) async fn subscribe(
    services: web::Data<Services>,
    permit: Permitted<ChangeLeads>,
    id: PathId<Lead>,
    key: IdempotencyKey,
    body: JsonBody<SubscribeBody>,
) -> Result<HttpResponse, Problem> {
    let SubscribeBody { consent, tags } = body.value;
    let draft = SubscriptionDraft::parse(consent, tags)?;

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let subscription = marketing::subscribe(&mut *uow, &permit, id.0, draft).await?;
    if !services.has_mailing_list {
        return Err(Problem::client(
            Kind::NotSubscribable,
            "this installation has no mailing list: kit.api_key is not set",
        ));
    }

    let view = SubscriptionView::from(subscription);
    uow.answer(WriteAnswer::new(StatusCode::ACCEPTED, &view)).await
}
