use actix_web::{HttpResponse, get, web};
use async_trait::async_trait;
use fairlead_domain::access::ViewTenant;
use fairlead_domain::billing::{Limits, Plan, Prices, Subscription};
use fairlead_domain::cache::{CacheKey, Tag};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::Services;
use crate::problem::Problem;
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

/// The plan of the tenant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Subscription, example = json!({
    "plan": "TEAM", "status": "ACTIVE", "currentPeriodEnd": "2026-12-22T10:00:00Z", "cancelAtPeriodEnd": false,
    "updatedAt": "2026-11-22T10:00:03Z", "limits": [
        {"name": "leads", "maximum": 10000, "used": 412}, {"name": "users", "maximum": null, "used": 7},
        {"name": "calls", "maximum": 1_000_000, "used": 61_480},
    ], "forSale": ["TEAM", "BUSINESS"],
}))]
struct SubscriptionView {
    /// `FREE`, `TEAM` or `BUSINESS`: what the tenant may use now.
    plan: &'static str,
    /// Of what was subscribed to, in the words of the payment provider: `TRIALING`, `ACTIVE`, `PAST_DUE`, `UNPAID`,
    /// `PAUSED`, `INCOMPLETE`, `INCOMPLETE_EXPIRED` or `CANCELED`; with the first three its plan is in force. `null`:
    /// nothing ever was.
    #[schema(required = true)]
    status: Option<&'static str>,
    /// Until when it is paid.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    current_period_end: Option<OffsetDateTime>,
    /// Whether it ends then.
    cancel_at_period_end: bool,
    /// When it was found to be so.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    updated_at: Option<OffsetDateTime>,
    /// What the plan allows, and what is used of it.
    limits: Vec<PlanLimitView>,
    /// The plans that `POST /api/v1/billing/checkout` takes here.
    for_sale: Vec<&'static str>,
}

/// One limit of a plan.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PlanLimit)]
struct PlanLimitView {
    /// `leads`, `users`: those who can log in, or `calls`: of the API in this month, by UTC, as far as they are written
    /// down, which takes a minute.
    name: &'static str,
    /// `null`: any number.
    #[schema(required = true, minimum = 0)]
    maximum: Option<u64>,
    #[schema(minimum = 0)]
    used: u64,
}

struct GetSubscription {
    limits: Limits,
    prices: Prices,
}

#[async_trait]
impl Question for GetSubscription {
    fn key(&self) -> Option<CacheKey> {
        // What it uses changes without an event.
        None
    }

    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let subscription = from.uow.billing().subscription().await?;
        let subscription = subscription.as_ref();
        let usage = from.uow.billing().usage().await?;
        let plan = Subscription::plan_in_force(subscription);
        let allowed = self.limits.of(plan);
        let limit = |name, maximum, used| PlanLimitView { name, maximum, used };
        let is_for_sale = |plan: &Plan| self.prices.of(*plan).is_some();
        Ok(Representation::by_digest(&SubscriptionView {
            plan: plan.as_str(),
            status: subscription.map(|subscription| subscription.status.as_str()),
            current_period_end: subscription.and_then(|subscription| subscription.current_period_end),
            cancel_at_period_end: subscription.is_some_and(|subscription| subscription.cancel_at_period_end),
            updated_at: subscription.map(|subscription| subscription.updated_at),
            limits: vec![
                limit("leads", allowed.leads, usage.leads),
                limit("users", allowed.users, usage.users),
                limit("calls", allowed.calls, usage.calls),
            ],
            for_sale: Plan::ALL
                .into_iter()
                .filter(is_for_sale)
                .map(Plan::as_str)
                .collect(),
        }))
    }
}

/// Get the plan of the tenant.
#[utoipa::path(
    tag = "billing",
    operation_id = "getSubscription",
    params(IfNoneMatch),
    responses((status = 200, description = "The plan, and how it is paid.", body = SubscriptionView)),
    extensions(("x-permit" = json!("ViewTenant"))),
)]
#[get("/billing/subscription")]
pub(super) async fn look(
    services: web::Data<Services>,
    read: Read<ViewTenant>,
) -> Result<HttpResponse, Problem> {
    read.answer(GetSubscription {
        limits: services.billing.limits,
        prices: services.billing.for_sale(),
    })
    .await
}
