use actix_web::{HttpResponse, post, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::VitalsBody;
use crate::Services;
use crate::authentication::Authenticated;
use crate::json::JsonBody;
use crate::problem::Problem;

/// What was taken note of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebVitalsTaken, example = json!({"kept": 2, "percent": 100}))]
struct TakenView {
    /// How many of the figures; none, if this message is not one of those that are looked at.
    #[schema(minimum = 0, maximum = 50)]
    kept: usize,
    /// How many of a hundred messages are looked at: whoever sends many may send as many fewer.
    #[schema(minimum = 0, maximum = 100)]
    percent: u8,
}

/// Tell how page views were, as browsers have measured it.
///
/// They are counted by page and figure, and written down within a minute or so; no view is kept by itself, but the slowest
/// that names its request.
#[utoipa::path(
    tag = "tenant",
    operation_id = "recordWebVitals",
    request_body = VitalsBody,
    responses((status = 202, description = "Taken note of.", body = TakenView)),
)]
#[post("/analytics/vitals")]
pub(super) async fn record(
    services: web::Data<Services>,
    caller: Authenticated,
    body: JsonBody<VitalsBody>,
) -> Result<HttpResponse, Problem> {
    let observations = body.value.parse()?;
    let vitals = &services.performance.vitals;
    let kept = if vitals.takes_this_one() {
        vitals.note(&services, caller.0.scope().tenant(), observations)
    } else {
        0
    };
    let percent = vitals.percent();
    Ok(HttpResponse::Accepted().json(TakenView { kept, percent }))
}
