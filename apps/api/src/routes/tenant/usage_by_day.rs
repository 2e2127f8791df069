use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ViewTenant;
use fairlead_domain::cache::{CacheKey, Tag};
use fairlead_domain::identity::DayUsage;
use serde::Serialize;
use time::macros::format_description;
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

const DEFAULT_DAYS: u16 = 31;
const MAX_DAYS: u16 = 366;

/// What a [`UsageQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents parameters")]
struct UsageParameters {
    /// How many days back, counting today.
    #[param(minimum = 1, maximum = 366, default = 31, nullable = false)]
    days: Option<u16>,
}

#[derive(Debug)]
pub(super) struct UsageQuery {
    days: u16,
}

impl FromQuery for UsageQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            days: query.integer("days", 1..=MAX_DAYS).unwrap_or(DEFAULT_DAYS),
        }
    }
}

/// What was done in the tenant, by day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageByDay, example = json!({
    "items": [{"day": "2026-11-21", "type": "lead_created", "source": "import", "events": 1200}],
}))]
struct UsageByDayView {
    /// The newest day first.
    items: Vec<DayUsageView>,
}

/// How many events of one kind there were on one day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DayUsage)]
struct DayUsageView {
    /// In UTC.
    #[schema(format = Date)]
    day: String,
    /// What happened: the type of the events.
    r#type: String,
    /// What brought it about: `api`, `import`, `demo` or `system`.
    source: String,
    #[schema(minimum = 1)]
    events: u64,
}

impl From<DayUsage> for DayUsageView {
    fn from(usage: DayUsage) -> Self {
        let day = usage.day.format(format_description!("[year]-[month]-[day]"));
        Self {
            day: day.expect("a date has a year, a month and a day"),
            r#type: usage.event_type,
            source: usage.source,
            events: usage.events,
        }
    }
}

#[async_trait]
impl Question for UsageQuery {
    fn key(&self) -> Option<CacheKey> {
        // It is counted a moment after the change, of which nothing tells the cache.
        None
    }

    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let back = time::Duration::days(i64::from(self.days) - 1);
        let since = (from.uow.now() - back).date();
        let usage = from.uow.usage_by_day().since(since).await?;
        Ok(Representation::by_digest(&UsageByDayView {
            items: usage.into_iter().map(DayUsageView::from).collect(),
        }))
    }
}

/// Tell what was done in the tenant, day by day.
///
/// Counted from the tenant's events, a moment after they happen; each counts once.
#[utoipa::path(
    tag = "tenant",
    operation_id = "getUsageByDay",
    params(UsageParameters, IfNoneMatch),
    responses((status = 200, description = "Events by day, type and source.", body = UsageByDayView)),
    extensions(("x-permit" = json!("ViewTenant"))),
)]
#[get("/usage/days")]
pub(super) async fn usage_by_day(
    read: Read<ViewTenant>,
    query: QueryOf<UsageQuery>,
) -> Result<HttpResponse, Problem> {
    read.answer(query.0).await
}
