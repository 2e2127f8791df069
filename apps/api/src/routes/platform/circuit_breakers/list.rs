use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::CircuitBreakerView;
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;

/// The services that are configured.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CircuitBreakers)]
struct CircuitBreakersView {
    items: Vec<CircuitBreakerView>,
}

/// List the circuit breakers of the services that this installation calls.
///
/// Each process has its own.
#[utoipa::path(
    tag = "platform",
    operation_id = "listCircuitBreakers",
    responses((status = 200, description = "Of this process, now.", body = CircuitBreakersView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/circuit-breakers")]
pub(super) async fn list(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let reports = services.upstreams.report();
    let items = reports.into_iter().map(CircuitBreakerView::from).collect();
    Ok(HttpResponse::Ok().json(CircuitBreakersView { items }))
}
