use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ViewTenant;
use fairlead_domain::cache::{CacheKey, Tag};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::routes::taken::TakenView;
use crate::spec::IfNoneMatch;

/// How much the tenant has stored, and what it has taken of what all share.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Usage, example = json!({
    "users": 12, "activeUsers": 11, "agents": 8, "leads": 20413, "openLeads": 1780, "activities": 61200,
    "carriers": 14, "apiKeys": 2, "asOf": "2026-11-21T10:00:00Z",
    "thisMonth": {
        "requests": 61_500, "failed": 0, "requestSeconds": 98.4, "receivedBytes": 900_000, "sentBytes": 1_230_000_000_u64,
        "statements": 810, "rows": 40_500, "databaseMs": 2_061.9, "jobSeconds": 10.0, "stayMinutes": 480.0, "aiTokens": 9_120,
    },
}))]
struct UsageView {
    #[schema(minimum = 0)]
    users: u64,
    #[schema(minimum = 0)]
    active_users: u64,
    #[schema(minimum = 0)]
    agents: u64,
    #[schema(minimum = 0)]
    leads: u64,
    /// Leads that are not closed.
    #[schema(minimum = 0)]
    open_leads: u64,
    #[schema(minimum = 0)]
    activities: u64,
    #[schema(minimum = 0)]
    carriers: u64,
    /// Valid ones.
    #[schema(minimum = 0)]
    api_keys: u64,
    /// When it was counted.
    #[serde(with = "time::serde::rfc3339")]
    as_of: OffsetDateTime,
    this_month: MonthView,
}

/// In this calendar month, by UTC.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UsageOfMonth)]
struct MonthView {
    #[serde(flatten)]
    taken: TakenView,
    /// That language models have read and written, with what is reserved.
    #[schema(minimum = 0)]
    ai_tokens: u64,
}

struct CountUsage;

#[async_trait]
impl Question for CountUsage {
    fn key(&self) -> Option<CacheKey> {
        // It tells when it was counted.
        None
    }

    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let stored = from.uow.tenants().usage().await?;
        Ok(Representation::by_digest(&UsageView {
            users: stored.users,
            active_users: stored.active_users,
            agents: stored.agents,
            leads: stored.leads,
            open_leads: stored.open_leads,
            activities: stored.activities,
            carriers: stored.carriers,
            api_keys: stored.api_keys,
            as_of: from.uow.now(),
            this_month: MonthView {
                taken: TakenView::from(&stored.taken),
                ai_tokens: stored.ai_tokens,
            },
        }))
    }
}

/// Count what the tenant has stored, and tell what it has taken this month.
#[utoipa::path(
    tag = "tenant",
    operation_id = "getUsage",
    params(IfNoneMatch),
    responses((status = 200, description = "Counted now.", body = UsageView)),
    extensions(("x-permit" = json!("ViewTenant"))),
)]
#[get("/usage")]
pub(super) async fn usage(read: Read<ViewTenant>) -> Result<HttpResponse, Problem> {
    read.answer(CountUsage).await
}
