use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::{
    Figures, Fingerprint, LatencySketch, Sample, Series, SeriesKind, StatementMeters,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::period::{PeriodParameters, PeriodQuery};
use super::view::{LatencyView, per_second, ratio};
use crate::Services;
use crate::authentication::Operator;
use crate::middleware::{MOST_CALLS, StatementOfRoute};
use crate::performance::counted::Counted;
use crate::problem::Problem;
use crate::query::QueryOf;
use crate::units::milliseconds;

/// How the routes fare.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Endpoints, example = json!({"seconds": 3600.0, "items": [{
    "method": "GET", "route": "/api/v1/leads", "requestsPerSecond": 25.4, "errorRatio": 0.0, "timeRatio": 0.71,
    "latency": {
        "count": 91_500, "meanMs": 1.84, "p50Ms": 1.3, "p75Ms": 1.9, "p90Ms": 3.1, "p95Ms": 4.4, "p99Ms": 11.8,
        "maxMs": 201.7,
    },
    "statuses": [{"status": "2xx", "latency": {
        "count": 91_500, "meanMs": 1.84, "p50Ms": 1.3, "p75Ms": 1.9, "p90Ms": 3.1, "p95Ms": 4.4, "p99Ms": 11.8,
        "maxMs": 201.7,
    }}],
    "statements": [{
        "fingerprint": "9ae16a3b2f90404f", "text": "SELECT \"leads\".\"id\"", "requests": 1_210, "calls": 1_210,
        "rows": 60_500, "timeMs": 2_904.1, "mostCalls": 1, "repeatingRequests": 0,
    }],
}]}))]
struct EndpointsView {
    /// For how long was counted: since the start of this process or the last reset, or for as much of the period as something is known of.
    seconds: f64,
    /// Those whose requests took most time altogether come first.
    items: Vec<EndpointView>,
}

/// Requests by one method of one route.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Endpoint)]
struct EndpointView {
    /// `other` of one that is not used here.
    method: Box<str>,
    /// The pattern; `null` of all that lead nowhere.
    #[schema(required = true)]
    route: Option<Box<str>>,
    #[schema(required = true, minimum = 0)]
    requests_per_second: Option<f64>,
    /// Answers with a status from 500, as a part of all.
    #[schema(required = true, minimum = 0, maximum = 1)]
    error_ratio: Option<f64>,
    /// The time of its requests, as a part of that of all requests.
    #[schema(minimum = 0, maximum = 1)]
    time_ratio: f64,
    latency: LatencyView,
    /// By class of status.
    statuses: Vec<StatusView>,
    /// What its requests had the database do; those that took most time come first. `null` of a period: it is not kept.
    #[schema(required = true)]
    statements: Option<Vec<StatementView>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EndpointStatus)]
struct StatusView {
    /// `2xx`, `3xx`, `4xx` or `5xx`.
    status: String,
    latency: LatencyView,
}

/// A statement, as requests of a route had it run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EndpointStatement)]
struct StatementView {
    fingerprint: String,
    /// Without values; `null` where several are told of as one.
    #[schema(required = true)]
    text: Option<Box<str>>,
    /// Requests that sent it.
    requests: u64,
    calls: u64,
    /// Returned or changed.
    rows: u64,
    time_ms: f64,
    /// The most calls of one request.
    most_calls: u32,
    /// Requests that sent it more than ten times, where once for all might do (N+1).
    repeating_requests: u64,
}

/// All that is known of a method of a route.
#[derive(Default)]
struct Endpoint {
    all: LatencySketch,
    classes: BTreeMap<u8, LatencySketch>,
    statements: Option<BTreeMap<Fingerprint, StatementOfRoute>>,
}

/// By method and route.
type Endpoints = BTreeMap<(Box<str>, Box<str>), Endpoint>;

impl Endpoint {
    fn add(&mut self, class: u8, times: &LatencySketch) {
        self.all.merge(times);
        self.classes.entry(class).or_default().merge(times);
    }

    fn add_statements(&mut self, statements: &[StatementOfRoute]) {
        let known = self.statements.get_or_insert_default();
        for statement in statements {
            known
                .entry(statement.fingerprint)
                .and_modify(|known| known.merge(statement))
                .or_insert(*statement);
        }
    }
}

/// Of this process.
fn counted(counted: Counted) -> Endpoints {
    let mut all = Endpoints::new();
    for (series, times) in counted.times {
        let key = (series.method.into(), series.route);
        let endpoint = all.entry(key).or_default();
        endpoint.add(
            u8::try_from(series.status / 100).unwrap_or_default(),
            &times.sketch,
        );
        endpoint.add_statements(&times.statements);
    }
    all
}

/// Of all processes.
fn add_sample(all: &mut Endpoints, sample: &Sample) {
    if let (Series::Route(route), Figures::Times(times)) = (&sample.series, &sample.figures) {
        let key = (route.method.clone(), route.route.clone());
        all.entry(key).or_default().add(route.class, times);
    }
}

impl EndpointsView {
    fn new(all: Endpoints, span: Duration, texts: &dyn StatementMeters) -> Self {
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by_key(|(_, endpoint)| std::cmp::Reverse(endpoint.all.sum()));
        let whole: Duration = all.iter().map(|(_, endpoint)| endpoint.all.sum()).sum();
        let view = |((method, route), endpoint): ((_, Box<str>), Endpoint)| {
            let failed = endpoint.classes.get(&5).map_or(0, LatencySketch::count);
            let statements = endpoint.statements.map(|statements| {
                let mut statements: Vec<_> = statements.into_values().collect();
                statements.sort_by_key(|statement| std::cmp::Reverse(statement.time));
                let views = statements
                    .iter()
                    .map(|statement| StatementView::new(statement, texts));
                views.collect()
            });
            EndpointView {
                method,
                route: (!route.is_empty()).then_some(route),
                requests_per_second: per_second(endpoint.all.count(), span),
                error_ratio: ratio(failed, endpoint.all.count()),
                time_ratio: endpoint.all.sum().as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE),
                latency: LatencyView::from(&endpoint.all),
                statuses: endpoint
                    .classes
                    .iter()
                    .map(|(class, times)| StatusView {
                        status: format!("{class}xx"),
                        latency: LatencyView::from(times),
                    })
                    .collect(),
                statements,
            }
        };
        Self {
            seconds: span.as_secs_f64(),
            items: all.into_iter().map(view).collect(),
        }
    }
}

impl StatementView {
    fn new(statement: &StatementOfRoute, texts: &dyn StatementMeters) -> Self {
        const { assert!(MOST_CALLS == 10, "the description says ten") };
        Self {
            fingerprint: statement.fingerprint.to_string(),
            text: texts.text(statement.fingerprint).filter(|text| !text.is_empty()),
            requests: statement.requests,
            calls: statement.calls,
            rows: statement.rows,
            time_ms: milliseconds(statement.time),
            most_calls: statement.most_calls,
            repeating_requests: statement.repeating,
        }
    }
}

/// Tell how each route fares: how often it is asked for, how long it takes, and what of the database.
#[utoipa::path(
    tag = "platform",
    operation_id = "listEndpoints",
    params(PeriodParameters),
    responses((status = 200, description = "Of this process, or of a period.", body = EndpointsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/endpoints")]
pub(super) async fn endpoints(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<PeriodQuery>,
) -> Result<HttpResponse, Problem> {
    let (all, span) = match query.0.0 {
        None => {
            let of_process = Counted::of(&services);
            let span = of_process.span;
            (counted(of_process), span)
        }
        Some(period) => {
            let now = services.clock.now();
            let (mut all, mut oldest) = (Endpoints::new(), now);
            let mut each = |sample: &Sample| {
                oldest = oldest.min(sample.at);
                add_sample(&mut all, sample);
            };
            let samples = &services.performance.samples;
            let kinds = [SeriesKind::Route];
            samples.read(now - period.span(), now, &kinds, &mut each).await?;
            (all, (now - oldest).unsigned_abs())
        }
    };
    Ok(HttpResponse::Ok().json(EndpointsView::new(all, span, &*services.statements)))
}
