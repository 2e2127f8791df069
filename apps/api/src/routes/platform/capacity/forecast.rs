use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::forecast::{Months, Step};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::view::{LackView, MadeView};
use super::{NoSuchResource, PathResource, ResourceName, unit};
use crate::Services;
use crate::authentication::Operator;
use crate::performance::capacity::gauge;
use crate::performance::foretell::{Past, limits};
use crate::problem::{Kind, Problem};
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::spec::Problems;

const DEFAULT_MONTHS: u8 = 6;

/// What a [`ForecastQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents parameters")]
struct ForecastParameters {
    /// How far to look ahead.
    #[param(minimum = 1, maximum = 24, default = 6, nullable = false)]
    months: Option<u8>,
}

#[derive(Debug)]
struct ForecastQuery(Months);

impl FromQuery for ForecastQuery {
    fn read(query: &mut QueryReader) -> Self {
        let months = query
            .integer("months", 1..=Months::MOST)
            .unwrap_or(DEFAULT_MONTHS);
        Self(Months::new(months).expect("it is in range"))
    }
}

/// What a resource will need, by how it has been used.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CapacityForecast, example = json!({
    "resource": "sockets", "unit": "connections", "months": 6, "verdict": "forecast", "missing": [], "step": "day",
    "forecast": {
        "model": "line", "testedUntil": "2027-01-02T00:00:00Z", "growth": {"perMonth": 304.1, "ratio": 0.41},
        "backTest": {
            "origins": 82, "horizonDays": 40.0, "outcomes": 3_280, "error": 9.1, "naiveError": 70.2,
            "relativeError": 0.13, "covered80": 0.81, "covered95": 0.95,
        },
        "limits": [{
            "name": "sockets", "value": 2_000.0, "reached": "within", "earliest": "2027-01-25T00:00:00Z",
            "likely": "2027-01-29T00:00:00Z", "latest": "2027-02-03T00:00:00Z",
        }],
        "points": [{
            "at": "2026-11-24T00:00:00Z", "value": 1_300.4, "lower80": 1_290.0, "upper80": 1_310.8, "lower95": 1_281.3,
            "upper95": 1_319.5,
        }],
    },
}))]
struct ForecastView {
    #[schema(value_type = ResourceName)]
    resource: &'static str,
    unit: &'static str,
    months: u8,
    /// `forecast`, or `insufficient-data`.
    verdict: &'static str,
    /// What the history lacks for a forecast that reaches so far.
    missing: Vec<LackView>,
    /// What a forecast is by: the mean of each `day`, or of each `hour` where there are too few days.
    step: &'static str,
    /// Of a process, on average over all; storage is that of the whole database. `null` when the history is too little.
    #[schema(required = true)]
    forecast: Option<MadeView>,
}

/// Tell what a resource will need, and when its limit is reached.
///
/// By the model that would have forecast its history best so far, with the error that it would have made. Where the history
/// is too short or has too many gaps, that is said instead, with what is missing: a forecast reaches no further than three
/// times what it is made of.
#[utoipa::path(
    tag = "platform",
    operation_id = "getCapacityForecast",
    params(("resourceType" = inline(ResourceName), Path, description = "The resource."), ForecastParameters),
    responses(
        (status = 200, description = "By what all processes have written down.", body = ForecastView),
        Problems<NoSuchResource>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/capacity/forecast/{resourceType}")]
pub(super) async fn capacity_forecast(
    services: web::Data<Services>,
    _operator: Operator,
    PathResource(resource): PathResource,
    query: QueryOf<ForecastQuery>,
) -> Result<HttpResponse, Problem> {
    let ForecastQuery(months) = query.0;
    let name = gauge(resource).ok_or(NoSuchResource)?;
    let past = Past::read(&services, name).await?;
    let limits = limits(&services, resource);
    let made = past.foretell(&services, months, limits).await;
    let (step, made) = made.map_err(|error| Problem::server(Kind::Internal, error))?;
    let (forecast, missing) = match made {
        Ok(forecast) => (Some(MadeView::from(forecast)), Vec::new()),
        Err(too_little) => (None, LackView::all(too_little)),
    };
    Ok(HttpResponse::Ok().json(ForecastView {
        resource: resource.as_str(),
        unit: unit(resource),
        months: months.get(),
        verdict: if forecast.is_some() {
            "forecast"
        } else {
            "insufficient-data"
        },
        missing,
        step: match step {
            Step::Day => "day",
            Step::Hour => "hour",
        },
        forecast,
    }))
}
