use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use fairlead_telemetry::request;

use super::answer;
use crate::problem::{Kind, Problem};

/// Operations that stream for as long as their client reads or writes, and bound their own steps.
pub(crate) const EXEMPT: &[&str] = &["/api/v1/leads/export", "/api/v1/leads/import"];

/// Whether requests for this path end at a deadline.
pub(super) fn has_deadline(path: &str) -> bool {
    !EXEMPT.contains(&path)
}

/// Gives up a request at its deadline: the handler is cancelled, which undoes its unit of work.
pub(crate) async fn deadline<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(left) = request::current().and_then(|context| context.time_left()) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    match tokio::time::timeout(left, next.call(request)).await {
        Ok(response) => Ok(response?.map_into_boxed_body()),
        Err(elapsed) => Ok(answer(Problem::server(Kind::DeadlineExceeded, elapsed))),
    }
}
