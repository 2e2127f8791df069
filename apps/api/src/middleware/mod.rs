//! What happens to every request before and after its handler; `serve` puts the layers in their order.

mod client;
pub(crate) mod deadline;
mod limits;
mod panics;
mod request;
mod security;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::test::TestRequest;

pub use client::client_address;
pub(crate) use deadline::deadline;
pub(crate) use limits::limits;
pub(crate) use panics::panic_barrier;
pub(crate) use request::request_context;
pub(crate) use security::security_headers;

use crate::problem::{Kind, Problem};

/// Answers a request that was given up.
///
/// A layer hands its request on and does not get it back when the work is cancelled, so the answer is put to an empty
/// one; only the outermost layers see it, and they remember what they need.
fn answer(error: impl Into<actix_web::Error>) -> ServiceResponse<BoxBody> {
    let error = error.into();
    let problem = match error.as_error::<Problem>() {
        Some(problem) => problem.clone(),
        None if error.as_response_error().status_code().is_client_error() => {
            Problem::client(Kind::MalformedRequest, error.to_string())
        }
        None => Problem::server(Kind::Internal, Foreign(error.to_string())),
    };
    ServiceResponse::from_err(problem, TestRequest::default().to_http_request())
}

/// An error of the HTTP framework that is none of ours.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Foreign(String);

#[cfg(test)]
mod tests;
