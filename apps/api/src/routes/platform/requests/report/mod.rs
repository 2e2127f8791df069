mod markdown;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::{Figures, LatencySketch, Sample, Series, SeriesKind, TenantTaken};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::changes::ChangesView;
use super::history::History;
use super::period::Period;
use super::sum::Sum;
use super::trends::SummaryView;
use super::view::ratio;
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::units::milliseconds;

/// How many routes and tenants are named.
const MOST_ROUTES: usize = 10;
const MOST_TENANTS: u32 = 5;

/// What a [`ReportQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents parameters")]
struct ReportParameters {
    /// How far to look back.
    #[param(nullable = false, inline, default = "day")]
    period: Option<ReportPeriodName>,
    #[param(nullable = false, inline, default = "json")]
    format: Option<FormatName>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents what a period is read from")]
enum ReportPeriodName {
    Hour,
    Day,
    Week,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents what a format is read from")]
enum FormatName {
    Json,
    Markdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Markdown,
}

#[derive(Debug)]
struct ReportQuery {
    period: Period,
    format: Format,
}

impl FromQuery for ReportQuery {
    fn read(query: &mut QueryReader) -> Self {
        let periods = [Period::Hour, Period::Day, Period::Week];
        let period = |text: &str| periods.into_iter().find(|period| period.as_str() == text);
        let format = |text: &str| match text {
            "json" => Some(Format::Json),
            "markdown" => Some(Format::Markdown),
            _ => None,
        };
        Self {
            period: query
                .choice("period", period, periods.map(Period::as_str))
                .unwrap_or(Period::Day),
            format: query
                .choice("format", format, ["json", "markdown"])
                .unwrap_or(Format::Json),
        }
    }
}

/// How the platform has fared, in short.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PerformanceReport, example = json!({
    "period": "day", "since": "2026-11-21T10:00:00Z", "until": "2026-11-22T10:00:00Z",
    "now": {"requests": 91_500, "errorRatio": 0.0, "p50Ms": 1.3, "p95Ms": 4.4, "p99Ms": 11.8},
    "before": null,
    "changes": {
        "p95Ms": {"verdict": "unknown", "before": null, "after": 4.4, "relative": null, "pValue": null},
        "errorRatio": {"verdict": "unknown", "before": null, "after": 0.0, "relative": null, "pValue": null},
        "requests": {"verdict": "unknown", "before": null, "after": 1_906.0, "relative": null, "pValue": null},
    },
    "cacheHitRatio": 0.95,
    "routes": [{
        "method": "GET", "route": "/api/v1/leads", "requests": 61_500, "p95Ms": 4.4, "errorRatio": 0.0, "timeRatio": 0.71,
    }],
    "tenants": [{
        "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001", "name": "Acme", "requests": 61_500, "databaseMs": 2_061.9,
        "databaseRatio": 0.71,
    }],
}))]
struct ReportView {
    /// `hour`, `day` or `week`.
    period: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    until: OffsetDateTime,
    now: SummaryView,
    /// The period before, as long; `null` when nothing is known of it.
    #[schema(required = true)]
    before: Option<SummaryView>,
    changes: ChangesView,
    /// `null` when no answer that is kept was asked for.
    #[schema(required = true, minimum = 0, maximum = 1)]
    cache_hit_ratio: Option<f64>,
    /// Ten at the most: those whose requests took most time altogether.
    routes: Vec<RouteView>,
    /// Five at the most: those that took most of the database, from the beginning of an hour on.
    tenants: Vec<TenantView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReportRoute)]
struct RouteView {
    method: Box<str>,
    /// The pattern; `null` of all that lead nowhere.
    #[schema(required = true)]
    route: Option<Box<str>>,
    requests: u64,
    #[schema(required = true, minimum = 0)]
    p95_ms: Option<f64>,
    #[schema(required = true, minimum = 0, maximum = 1)]
    error_ratio: Option<f64>,
    /// The time of its requests, as a part of that of all requests.
    #[schema(required = true, minimum = 0, maximum = 1)]
    time_ratio: Option<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReportTenant)]
struct TenantView {
    tenant_id: Uuid,
    name: String,
    requests: u64,
    database_ms: f64,
    /// Its time of the database, as a part of that of all tenants.
    #[schema(required = true, minimum = 0, maximum = 1)]
    database_ratio: Option<f64>,
}

/// By method and route.
type Routes = BTreeMap<(Box<str>, Box<str>), RouteSum>;

#[derive(Debug, Default)]
struct RouteSum {
    times: LatencySketch,
    failed: u64,
}

fn add_route(routes: &mut Routes, sample: &Sample) {
    if let (Series::Route(of), Figures::Times(times)) = (&sample.series, &sample.figures) {
        let sum = routes.entry((of.method.clone(), of.route.clone())).or_default();
        sum.times.merge(times);
        if of.class >= 5 {
            sum.failed += times.count();
        }
    }
}

fn top_routes(routes: Routes) -> Vec<RouteView> {
    let whole = routes
        .values()
        .map(|sum| sum.times.sum().as_secs_f64())
        .sum::<f64>();
    let mut all: Vec<_> = routes.into_iter().collect();
    all.sort_by_key(|(_, sum)| Reverse(sum.times.sum()));
    all.truncate(MOST_ROUTES);
    let view = |((method, route), sum): ((_, Box<str>), RouteSum)| RouteView {
        method,
        route: (!route.is_empty()).then_some(route),
        requests: sum.times.count(),
        p95_ms: sum.times.quantile(950).map(milliseconds),
        error_ratio: ratio(sum.failed, sum.times.count()),
        time_ratio: (whole > 0.0).then(|| sum.times.sum().as_secs_f64() / whole),
    };
    all.into_iter().map(view).collect()
}

impl TenantView {
    fn new(of: TenantTaken, all: std::time::Duration) -> Self {
        let time = of.taken.database_time;
        Self {
            tenant_id: of.tenant.as_uuid(),
            name: of.name,
            requests: of.taken.requests,
            database_ms: milliseconds(time),
            database_ratio: (!all.is_zero()).then(|| time.as_secs_f64() / all.as_secs_f64()),
        }
    }
}

impl ReportView {
    async fn read(services: &Services, period: Period) -> Result<Self, Problem> {
        let until = services.clock.now();
        let mut routes = Routes::new();
        let now = History::read(
            services,
            until,
            period,
            &SeriesKind::ALL,
            |sum: &mut Sum, sample| {
                sum.add(sample);
                add_route(&mut routes, sample);
            },
        );
        let now = now.await?;
        let of_routes = [SeriesKind::Route];
        let before = History::read(services, now.since, period, &of_routes, Sum::add).await?;
        let ledger = &services.performance.ledger;
        let hour = now.since - time::Duration::seconds(now.since.unix_timestamp().rem_euclid(3_600));
        let (all, tenants) = ledger.most_taken(hour, MOST_TENANTS).await?;
        let (whole, earlier) = (Sum::of(&now), Sum::of(&before));
        let tenants = tenants.into_iter();
        Ok(Self {
            period: period.as_str(),
            since: now.since,
            until,
            now: SummaryView::from(&whole),
            before: (earlier.requests.count() > 0).then(|| SummaryView::from(&earlier)),
            changes: ChangesView::new(&before, &now),
            cache_hit_ratio: whole.cache_hit_ratio(),
            routes: top_routes(routes),
            tenants: tenants.map(|of| TenantView::new(of, all.database_time)).collect(),
        })
    }
}

/// Report in short how the platform has fared.
#[utoipa::path(
    tag = "platform",
    operation_id = "getPerformanceReport",
    params(ReportParameters),
    responses((status = 200, description = "Of all processes.", content(
        (ReportView = "application/json"),
        (String = "text/markdown", example = json!("# Performance of the last day")),
    ))),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/report")]
pub(super) async fn performance_report(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<ReportQuery>,
) -> Result<HttpResponse, Problem> {
    let ReportQuery { period, format } = query.0;
    let report = ReportView::read(&services, period).await?;
    Ok(match format {
        Format::Json => HttpResponse::Ok().json(report),
        Format::Markdown => HttpResponse::Ok()
            .content_type("text/markdown; charset=utf-8")
            .body(report.markdown()),
    })
}
