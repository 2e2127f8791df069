use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ViewTenant;
use fairlead_domain::cache::{CacheKey, Tag};
use fairlead_domain::paging::{DEFAULT_LIMIT, MAX_LIMIT};
use fairlead_domain::performance::Grain;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::view::{PageView, pages};
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::routes::platform::{Period, PeriodName};
use crate::spec::IfNoneMatch;

/// What a [`VitalsQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents parameters")]
pub(in crate::routes) struct VitalsParameters {
    /// How far to look back, from the beginning of an hour on; what is older than two days is known by the day.
    #[param(nullable = false, inline, default = "day")]
    period: Option<PeriodName>,
    /// How many pages are answered at the most.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
}

#[derive(Debug)]
pub(in crate::routes) struct VitalsQuery {
    pub(in crate::routes) period: Period,
    pub(in crate::routes) limit: u32,
}

impl FromQuery for VitalsQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            period: Period::read(query).unwrap_or(Period::Day),
            limit: query.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT),
        }
    }
}

/// How the tenant's pages were for those who looked at them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebVitals, example = json!({"since": "2026-11-22T10:00:00Z", "items": [{
    "page": "/leads/:id", "vitals": [{
        "name": "LCP", "count": 120, "p50": 1_210.0, "p75": 1_830.5, "p95": 3_104.0, "standing": "good",
        "slowest": {
            "value": 4_910.0, "requestId": "b7c1", "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "serverMs": 314.2,
        },
    }],
}], "hasMore": false}))]
struct WebVitalsView {
    /// Later than the period began where many processes have written down more than is added up at once.
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// Pages of which most views have told come first.
    items: Vec<PageView>,
    has_more: bool,
}

#[async_trait]
impl Question for VitalsQuery {
    fn key(&self) -> Option<CacheKey> {
        // It is written down behind requests, of which nothing tells the cache.
        None
    }

    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let since = from.uow.now() - self.period.span();
        // Of two days and less, hours are known.
        let grain = if self.period.span() > std::time::Duration::from_hours(48) {
            Grain::Day
        } else {
            Grain::Hour
        };
        let since = grain.beginning(since);
        let (since, known) = from.uow.web_vitals().since(since).await?;
        let (items, has_more) = pages(known, self.limit);
        Ok(Representation::by_digest(&WebVitalsView {
            since,
            items,
            has_more,
        }))
    }
}

/// Tell how the tenant's pages were for those who looked at them.
///
/// By page and figure, as browsers have measured it (<https://web.dev/articles/vitals>), over all processes, up to the last
/// interval in which each has written down what it was told.
#[utoipa::path(
    tag = "tenant",
    operation_id = "getWebVitals",
    params(VitalsParameters, IfNoneMatch),
    responses((status = 200, description = "By page and figure.", body = WebVitalsView)),
    extensions(("x-permit" = json!("ViewTenant"))),
)]
#[get("/analytics/vitals")]
pub(super) async fn measured(
    read: Read<ViewTenant>,
    query: QueryOf<VitalsQuery>,
) -> Result<HttpResponse, Problem> {
    read.answer(query.0).await
}
