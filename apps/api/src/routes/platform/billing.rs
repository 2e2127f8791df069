use actix_web::{HttpResponse, post, web};
use fairlead_domain::Id;
use fairlead_domain::billing::{self, PaymentRequest, RefundDraft, RefundError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::text;
use crate::whole::Whole;

/// What is to be paid back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewRefund, example = json!({
    "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001", "reference": "case 4711", "payment": "pi_3MtwBwLkdIwHu7ix28a3tqPa",
    "amount": 2900, "reason": "charged for a month after the end",
}))]
struct RefundBody {
    tenant_id: Uuid,
    /// What the refund is called by whoever asks. The same again is the same refund, however often it is asked for.
    #[schema(schema_with = text::line::<100>)]
    reference: String,
    /// What the payment provider calls the payment: `pi_…`. It is one of this tenant.
    #[schema(min_length = 4, max_length = 255, pattern = "^pi_[A-Za-z0-9_]+$")]
    payment: String,
    /// In the smallest unit of the currency of the payment; all that is left of it, unless given.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 99_999_999)]
    amount: Option<Whole>,
    #[schema(schema_with = text::line::<500>)]
    reason: String,
}

/// A refund that was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Refund, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120007", "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001",
    "reference": "case 4711", "state": "DONE", "providerId": "re_1Nispe2eZvKYlo2Cd31jOCgZ", "attempts": 1, "fault": null,
}))]
struct RefundView {
    id: Uuid,
    tenant_id: Uuid,
    reference: String,
    /// `PENDING` until the payment provider has answered, `DONE`, `REFUSED`, or `UNKNOWN`, when it has not for a day: then
    /// look at its dashboard whether the refund is there.
    state: &'static str,
    /// What the payment provider calls it; `null` while it has not answered.
    #[schema(required = true)]
    provider_id: Option<String>,
    /// How often the payment provider was asked. However often that is, it pays back once.
    attempts: u32,
    /// What the last attempt came to, or why it was refused; `null`: to nothing else than what was asked for.
    #[schema(required = true)]
    fault: Option<String>,
}

impl RefundView {
    fn new(tenant_id: Uuid, request: &PaymentRequest) -> Self {
        Self {
            id: request.id.as_uuid(),
            tenant_id,
            reference: request.order.reference().unwrap_or_default().to_owned(),
            state: request.state.as_str(),
            provider_id: request.state.result().map(|result| result.id.clone()),
            attempts: request.attempts,
            fault: request.fault.clone(),
        }
    }
}

/// Have a payment paid back.
///
/// A job asks the payment provider, by a key that makes it pay back once. Ask again with the same body to see what has come
/// of it.
#[utoipa::path(
    tag = "platform",
    operation_id = "requestRefund",
    request_body = RefundBody,
    responses(
        (status = 202, description = "What has come of it so far.", body = RefundView),
        Problems<RefundError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/billing/refunds")]
pub(super) async fn refund(
    services: web::Data<Services>,
    operator: Operator,
    body: JsonBody<RefundBody>,
) -> Result<HttpResponse, Problem> {
    let RefundBody {
        tenant_id,
        reference,
        payment,
        amount,
        reason,
    } = body.value;
    let amount = amount.map(|Whole(amount)| amount);
    let draft = RefundDraft::parse(&reference, &payment, amount, &reason)?;
    if services.billing.provider.is_none() {
        return Err(RefundError::NoCustomer.into());
    }

    let tenant = Id::from_uuid(tenant_id);
    let request = billing::request_refund(&*services.store, &operator.0, tenant, draft).await?;

    tracing::warn!(
        operator = operator.0.operator(),
        tenant.id = %tenant,
        request = %request.id,
        "a refund was asked for"
    );
    Ok(HttpResponse::Accepted().json(RefundView::new(tenant_id, &request)))
}
