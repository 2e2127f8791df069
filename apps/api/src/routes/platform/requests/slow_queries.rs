use std::collections::{BTreeMap, HashMap};

use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::{Fingerprint, StatementReport};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::view::LatencyView;
use crate::Services;
use crate::authentication::Operator;
use crate::middleware::{Series, Times};
use crate::performance::counted::Counted;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::units::milliseconds;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;

/// What a [`StatementsQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents parameters")]
struct StatementsParameters {
    /// By what they are sorted: the time of all calls, or the mean or the 95th percentile of one.
    #[param(nullable = false, inline, default = "total")]
    sort: Option<SortParameter>,
    /// How many are answered at the most.
    #[param(minimum = 1, maximum = 500, default = 50, nullable = false)]
    limit: Option<u32>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents what `Sort` is read from")]
enum SortParameter {
    Total,
    Mean,
    P95,
}

#[derive(Clone, Copy, Debug)]
enum Sort {
    Total,
    Mean,
    P95,
}

#[derive(Debug)]
struct StatementsQuery {
    sort: Sort,
    limit: usize,
}

impl FromQuery for StatementsQuery {
    fn read(query: &mut QueryReader) -> Self {
        let sort = |text: &str| match text {
            "total" => Some(Sort::Total),
            "mean" => Some(Sort::Mean),
            "p95" => Some(Sort::P95),
            _ => None,
        };
        Self {
            sort: query
                .choice("sort", sort, ["total", "mean", "p95"])
                .unwrap_or(Sort::Total),
            limit: query.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT),
        }
    }
}

/// What the database is asked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SlowQueries, example = json!({
    "seconds": 3600.0, "calls": 1_210, "timeMs": 2_904.1, "items": [{
        "fingerprint": "9ae16a3b2f90404f", "text": "SELECT \"leads\".\"id\"", "totalMs": 2_904.1, "rows": 60_500, "failed": 0,
        "latency": {
            "count": 1_210, "meanMs": 2.4, "p50Ms": 2.1, "p75Ms": 2.6, "p90Ms": 3.3, "p95Ms": 4.1, "p99Ms": 9.9,
            "maxMs": 30.2,
        },
        "routes": [{
            "method": "GET", "route": "/api/v1/leads", "requests": 1_210, "calls": 1_210, "timeMs": 2_904.1, "mostCalls": 1,
            "repeatingRequests": 0,
        }],
    }],
    "hasMore": true,
}))]
struct SlowQueriesView {
    /// For how long was counted: since the start of this process.
    seconds: f64,
    /// Of all statements, whether they are listed or not. What opens and ends transactions is none of them.
    calls: u64,
    time_ms: f64,
    items: Vec<SlowQueryView>,
    has_more: bool,
}

/// A statement, whoever had it run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SlowQuery)]
struct SlowQueryView {
    /// Made of its text: the same in every process.
    fingerprint: String,
    /// Without values; `null` of all together that are not told apart.
    #[schema(required = true)]
    text: Option<Box<str>>,
    total_ms: f64,
    /// Returned or changed.
    rows: u64,
    failed: u64,
    /// Of one call, from its sending, or the answer before it, to its last row.
    latency: LatencyView,
    /// Requests that had it run, by route; those that took most time come first. What is missing to all calls was
    /// background work.
    routes: Vec<RouteView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SlowQueryRoute)]
struct RouteView {
    method: &'static str,
    /// `null` of all that lead nowhere.
    #[schema(required = true)]
    route: Option<Box<str>>,
    requests: u64,
    calls: u64,
    time_ms: f64,
    /// The most calls of one request.
    most_calls: u32,
    /// Requests that sent it more than ten times, where once for all might do (N+1).
    repeating_requests: u64,
}

impl SlowQueryView {
    fn new(report: StatementReport, routes: Vec<RouteView>) -> Self {
        Self {
            fingerprint: report.fingerprint.to_string(),
            text: Some(report.text).filter(|text| !text.is_empty()),
            total_ms: milliseconds(report.times.sum()),
            rows: report.rows,
            failed: report.failed,
            latency: LatencyView::from(&report.times),
            routes,
        }
    }
}

fn routes(times: BTreeMap<Series, Times>) -> HashMap<Fingerprint, Vec<RouteView>> {
    let mut all: HashMap<_, Vec<RouteView>> = HashMap::new();
    for (series, times) in times {
        let route = Some(series.route).filter(|route| !route.is_empty());
        for statement in times.statements {
            let views = all.entry(statement.fingerprint).or_default();
            // Statuses of a route stand together.
            let known = views
                .last_mut()
                .filter(|last| last.route == route && last.method == series.method);
            if let Some(known) = known {
                known.requests += statement.requests;
                known.calls += statement.calls;
                known.time_ms += milliseconds(statement.time);
                known.most_calls = known.most_calls.max(statement.most_calls);
                known.repeating_requests += statement.repeating;
            } else {
                views.push(RouteView {
                    method: series.method,
                    route: route.clone(),
                    requests: statement.requests,
                    calls: statement.calls,
                    time_ms: milliseconds(statement.time),
                    most_calls: statement.most_calls,
                    repeating_requests: statement.repeating,
                });
            }
        }
    }
    for views in all.values_mut() {
        views.sort_by(|left, right| right.time_ms.total_cmp(&left.time_ms));
    }
    all
}

/// Tell which statements take the most time of the database, and which routes have them run.
///
/// Measured where statements leave the process, so it needs no extension of the server; what other processes send is not in
/// it.
#[utoipa::path(
    tag = "platform",
    operation_id = "listSlowQueries",
    params(StatementsParameters),
    responses((status = 200, description = "Since this process started, or the last reset.", body = SlowQueriesView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/database/slow-queries")]
pub(super) async fn slow_queries(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<StatementsQuery>,
) -> HttpResponse {
    let StatementsQuery { sort, limit } = query.0;
    // The longest first by their sum.
    let Counted {
        times,
        mut statements,
        span,
    } = Counted::of(&services);
    let calls = statements.iter().map(|report| report.times.count()).sum();
    let time = statements.iter().map(|report| report.times.sum()).sum();
    match sort {
        Sort::Total => {}
        Sort::Mean => statements.sort_by_key(|report| std::cmp::Reverse(report.times.mean())),
        Sort::P95 => statements.sort_by_key(|report| std::cmp::Reverse(report.times.quantile(950))),
    }
    let has_more = statements.len() > limit;
    statements.truncate(limit);
    let mut routes = routes(times);
    let items = statements.into_iter().map(|report| {
        let routes = routes.remove(&report.fingerprint).unwrap_or_default();
        SlowQueryView::new(report, routes)
    });
    HttpResponse::Ok().json(SlowQueriesView {
        seconds: span.as_secs_f64(),
        calls,
        time_ms: milliseconds(time),
        items: items.collect(),
        has_more,
    })
}
