use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::view::SlowRequestView;
use crate::Services;
use crate::authentication::Operator;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::units::milliseconds;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;

/// What a [`SlowQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct SlowParameters {
    /// Requests of this tenant.
    #[param(nullable = false)]
    tenant_id: Option<Uuid>,
    /// Requests of the route with this pattern.
    #[param(nullable = false, max_length = 200, example = "/api/v1/leads")]
    route: Option<String>,
    /// Whether the newest come first, or the slowest.
    #[param(nullable = false, inline, default = "newest")]
    sort: Option<SortParameter>,
    /// How many are answered at the most.
    #[param(minimum = 1, maximum = 500, default = 50, nullable = false)]
    limit: Option<u32>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents what `Sort` is read from")]
enum SortParameter {
    Newest,
    Slowest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Newest,
    Slowest,
}

#[derive(Debug)]
struct SlowQuery {
    tenant: Option<Uuid>,
    route: Option<String>,
    sort: Sort,
    limit: usize,
}

impl FromQuery for SlowQuery {
    fn read(query: &mut QueryReader) -> Self {
        let sort = |text: &str| match text {
            "newest" => Some(Sort::Newest),
            "slowest" => Some(Sort::Slowest),
            _ => None,
        };
        Self {
            tenant: query.uuid("tenantId"),
            route: query.text("route", 200),
            sort: query
                .choice("sort", sort, ["newest", "slowest"])
                .unwrap_or(Sort::Newest),
            limit: query.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT),
        }
    }
}

/// Requests that took long.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SlowRequests, example = json!({"thresholdMs": 200.0, "items": [], "hasMore": false}))]
struct SlowRequestsView {
    /// Requests that took longer are kept, the last 500 of them.
    threshold_ms: f64,
    items: Vec<SlowRequestView>,
    /// Whether more are kept that fit.
    has_more: bool,
}

/// List requests that took long.
///
/// Those that took longer than `http.slow_request_ms`, the last 500, and of each route the slowest within the hour, whatever
/// it took: of the process that answers. Each tells what its time was spent on.
#[utoipa::path(
    tag = "platform",
    operation_id = "listSlowRequests",
    params(SlowParameters),
    responses((status = 200, description = "Of this process.", body = SlowRequestsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/slow-requests")]
pub(super) async fn list(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<SlowQuery>,
) -> HttpResponse {
    let SlowQuery {
        tenant,
        route,
        sort,
        limit,
    } = query.0;
    let mut found = services.slow.all();
    found.retain(|request| {
        tenant.is_none_or(|wanted| request.tenant.is_some_and(|of| of.as_uuid() == wanted))
            && route.as_deref().is_none_or(|wanted| *request.route == *wanted)
    });
    if sort == Sort::Slowest {
        found.sort_by_key(|request| std::cmp::Reverse(request.took));
    }
    let has_more = found.len() > limit;
    found.truncate(limit);
    let items = found
        .iter()
        .map(|request| SlowRequestView::new(request, &*services.statements));
    HttpResponse::Ok().json(SlowRequestsView {
        threshold_ms: milliseconds(services.settings.slow_request),
        items: items.collect(),
        has_more,
    })
}
