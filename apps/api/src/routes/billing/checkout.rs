use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::{ManageBilling, Permit};
use fairlead_domain::billing::{self, CheckoutError, CheckoutSettings, PaymentRequest, PaymentState, Plan};
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::invalid::Invalid;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::time::sleep;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Services;
use crate::authentication::Permitted;
use crate::json::JsonBody;
use crate::problem::{Kind, Problem};
use crate::spec::Problems;

/// How long it is waited for the page. The provider usually takes a third of a second.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// After so many seconds it is worth asking again.
const AGAIN_SECONDS: u64 = 2;

/// What is to be paid for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewCheckout, example = json!({"plan": "TEAM"}))]
struct CheckoutBody {
    /// One that `GET /api/v1/billing/subscription` says to be for sale.
    #[schema(pattern = "^(TEAM|BUSINESS)$")]
    plan: String,
}

/// A page to pay on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Checkout, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120006", "plan": "TEAM", "state": "OPEN",
    "url": "https://checkout.stripe.com/c/pay/cs_test_a1", "expiresAt": "2026-11-23T10:00:00Z",
}))]
struct CheckoutView {
    id: Uuid,
    plan: String,
    /// `OPEN`, or `PENDING` while the payment provider has not opened it.
    state: &'static str,
    /// Where to pay; `null` while it is pending.
    #[schema(required = true)]
    url: Option<String>,
    /// When the page closes.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    expires_at: Option<OffsetDateTime>,
}

/// Open a page to pay on.
///
/// It is the payment provider's, and leads back when the plan was paid. Whoever asks for the same plan again gets the same
/// page while it is open; another plan closes it, so that nobody pays twice. Where the provider takes its time the answer
/// is 202: ask again.
#[utoipa::path(
    tag = "billing",
    operation_id = "startCheckout",
    request_body = CheckoutBody,
    responses(
        (status = 200, description = "The page.", body = CheckoutView),
        (status = 202, description = "It will be opened as soon as the payment provider answers.", body = CheckoutView),
        Problems<CheckoutError>,
    ),
    extensions(("x-permit" = json!("ManageBilling"))),
)]
#[post("/billing/checkout")]
pub(super) async fn start(
    services: web::Data<Services>,
    permit: Permitted<ManageBilling>,
    body: JsonBody<CheckoutBody>,
) -> Result<HttpResponse, Problem> {
    let plan = Plan::parse(&body.value.plan)
        .filter(|plan| *plan != Plan::Free)
        .ok_or_else(|| Invalid::field("plan", "must be TEAM or BUSINESS"))?;
    let settings = CheckoutSettings {
        prices: services.billing.for_sale(),
        ..services.billing.checkout.clone()
    };

    let mut uow = services.store.begin(permit.scope()).await?;
    let request = billing::start_checkout(&mut *uow, &permit, &settings, plan).await?;
    uow.commit().await?;

    let request = settled(&services, &permit, request).await?;
    answer(plan, request)
}

/// Waits until the provider has answered, or is known not to. A job asks it; nothing is held meanwhile.
async fn settled(
    services: &Services,
    permit: &Permit<ManageBilling>,
    mut request: PaymentRequest,
) -> Result<PaymentRequest, Problem> {
    let begun = Instant::now();
    let is_asked = || {
        let provider = services.billing.provider.as_ref();
        provider.is_some_and(|provider| provider.closed_for().is_none())
    };
    while request.state.is_pending() && begun.elapsed() < PATIENCE && is_asked() {
        sleep(LOOK_EVERY).await;
        let mut uow = services.store.read(permit.scope(), ReadIntent::STRONG).await?;
        let now = uow.billing().find(request.id).await?;
        uow.commit().await?;
        request = now.unwrap_or(request);
    }
    Ok(request)
}

fn answer(plan: Plan, request: PaymentRequest) -> Result<HttpResponse, Problem> {
    let mut view = CheckoutView {
        id: request.id.as_uuid(),
        plan: plan.as_str().to_owned(),
        state: "PENDING",
        url: None,
        expires_at: None,
    };
    match request.state {
        PaymentState::Pending => Ok(HttpResponse::Accepted()
            .insert_header((header::RETRY_AFTER, AGAIN_SECONDS))
            .json(view)),
        PaymentState::Done(page) => {
            view.state = "OPEN";
            view.url = page.url;
            view.expires_at = page.until;
            // Whoever has it pays in the tenant's name.
            Ok(HttpResponse::Ok()
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .json(view))
        }
        PaymentState::Refused => {
            let why = request.fault.unwrap_or_default();
            tracing::error!(request = %request.id, "the payment provider refused a checkout: {why}");
            Err(Problem::client(Kind::PaymentRefused, why))
        }
        PaymentState::Unknown | PaymentState::Closed => Err(Problem::client(
            Kind::Conflict,
            "somebody has asked for another page meanwhile, or has paid: see what the plan is now",
        )),
    }
}
