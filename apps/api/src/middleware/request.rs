use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpMessage as _;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web;
use fairlead_telemetry::request::{self, RequestContext};

use super::deadline::has_deadline;
use crate::authentication::Presented;
use crate::problem::Problem;
use crate::state::Services;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Gives a request its identity, and writes one line about it when it is answered.
///
/// HEAD is handled as the GET it stands for; the server leaves the body out.
pub(crate) async fn request_context<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let context = Arc::new(open_context(&request, started));
    let (method, path) = (request.method().clone(), request.path().to_owned());
    if method == Method::HEAD {
        request.head_mut().method = Method::GET;
    }

    request::scope(Arc::clone(&context), async {
        let mut response = next.call(request).await?.map_into_boxed_body();
        let elapsed = started.elapsed();
        add_headers(&mut response, &context, elapsed);
        write_line(&response, &method, &path, &context, elapsed);
        Ok(response)
    })
    .await
}

fn open_context(request: &ServiceRequest, started: Instant) -> RequestContext {
    let services = request
        .app_data::<web::Data<Services>>()
        .expect("the server registers the services");
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let deadline = has_deadline(request.path()).then(|| started + services.settings.deadline);
    RequestContext::from_headers(header("x-request-id"), header("traceparent"), deadline).named(format!(
        "{} {}",
        request.method(),
        request.path()
    ))
}

fn add_headers(response: &mut ServiceResponse<BoxBody>, context: &RequestContext, elapsed: Duration) {
    let database = context.database_work().time;
    let timing = format!(
        "total;dur={:.2}, db;dur={:.2}",
        milliseconds(elapsed),
        milliseconds(database)
    );
    let headers = response.headers_mut();
    for (name, value) in [
        (REQUEST_ID, context.request_id().as_str()),
        (SERVER_TIMING, timing.as_str()),
        (
            HeaderName::from_static("traceparent"),
            context.traceparent().as_str(),
        ),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}

fn write_line(
    response: &ServiceResponse<BoxBody>,
    method: &Method,
    path: &str,
    context: &RequestContext,
    elapsed: Duration,
) {
    let status = response.status();
    let problem = response
        .response()
        .error()
        .and_then(|error| error.as_error::<Problem>());
    let route = response.request().match_pattern();
    let tenant = match response.request().extensions().get::<Presented>() {
        Some(Presented::Caller(caller)) => Some(caller.scope().tenant().to_string()),
        _ => None,
    };
    let work = context.database_work();

    if status.is_server_error() {
        tracing::error!(
            http.method = %method,
            http.path = path,
            http.status = status.as_u16(),
            tenant.id = tenant,
            error = problem.map(chain),
            "request failed on our side",
        );
    }
    tracing::info!(
        http.method = %method,
        http.route = route,
        http.status = status.as_u16(),
        problem = problem.map(|problem| problem.kind().slug()),
        tenant.id = tenant,
        duration_ms = milliseconds(elapsed),
        db.duration_ms = milliseconds(work.time),
        db.statements = work.statements,
        db.round_trips = work.round_trips,
        "answered {method} {} with {status}",
        route.as_deref().unwrap_or("an unknown route"),
    );
}

/// Each cause behind a problem, the nearest first.
fn chain(problem: &Problem) -> String {
    let Some(cause) = problem.cause() else {
        return problem.to_string();
    };
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
