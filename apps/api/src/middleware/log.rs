use std::sync::Arc;
use std::time::Instant;

use actix_web::HttpMessage as _;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, Uri};
use fairlead_domain::identity::TenantId;
use fairlead_telemetry::request::RequestContext;
use tracing::Level;

use crate::authentication::Presented;
use crate::problem::{Kind, Problem};
use crate::state::Services;
use crate::units::milliseconds;

/// What is told of a request once it is answered.
#[derive(Debug)]
pub(super) struct Line {
    method: Method,
    uri: Uri,
    started: Instant,
}

impl Line {
    pub(super) fn begin(request: &ServiceRequest, started: Instant) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            started,
        }
    }

    /// Times the request, warns of one that was slow, and writes its line; nothing is put into words where nobody listens.
    ///
    /// With an answer comes the pattern of its route, if that is known already.
    pub(super) fn write(
        &self,
        answer: Result<(&ServiceResponse<BoxBody>, Option<Arc<str>>), &Problem>,
        context: &RequestContext,
        services: &Services,
    ) {
        let (answer, route) = match answer {
            Ok((response, route)) => (Ok(response), route),
            Err(problem) => (Err(problem), None),
        };
        let problem = match answer {
            Ok(response) => {
                let error = response.response().error();
                error.and_then(|error| error.as_error::<Problem>())
            }
            Err(problem) => Some(problem),
        };
        let status = match answer {
            Ok(response) => response.status(),
            Err(problem) => problem.kind().status(),
        };
        // Of those refused because there is too much to do, the gatekeeper tells, once for many.
        let is_refused = problem.is_some_and(|problem| problem.kind() == Kind::Overloaded);
        if status.is_server_error() && !is_refused {
            tracing::error!(
                http.method = %self.method,
                http.path = self.uri.path(),
                http.status = status.as_u16(),
                tenant.id = answer.ok().and_then(tenant).map(display),
                error = problem.map(chain),
                "request failed on our side",
            );
        }
        let route = route.or_else(|| Some(answer.ok()?.request().match_pattern()?.into()));
        let took = self.started.elapsed();
        services.times.note(&self.method, route.as_deref(), status, took);
        if took >= services.settings.slow_request {
            let (method, path) = (&self.method, self.uri.path());
            tracing::warn!("Slow request: {method} {path} - {} ms", took.as_millis());
        }
        if tracing::enabled!(Level::INFO) {
            self.write_access(answer.ok(), route.as_deref(), status, problem, context);
        }
    }

    fn write_access(
        &self,
        response: Option<&ServiceResponse<BoxBody>>,
        route: Option<&str>,
        status: StatusCode,
        problem: Option<&Problem>,
        context: &RequestContext,
    ) {
        let method = &self.method;
        let work = context.database_work();
        tracing::info!(
            http.method = %method,
            http.route = route,
            http.status = status.as_u16(),
            problem = problem.map(|problem| problem.kind().slug()),
            tenant.id = response.and_then(tenant).map(display),
            duration_ms = milliseconds(self.started.elapsed()),
            db.statements = work.statements,
            db.duration_ms = (work.statements > 0).then(|| milliseconds(work.time)),
            db.round_trips = (work.statements > 0).then_some(work.round_trips),
            "answered {method} {} with {status}",
            route.unwrap_or("an unknown route"),
        );
    }
}

fn tenant(response: &ServiceResponse<BoxBody>) -> Option<TenantId> {
    match response.request().extensions().get::<Presented>() {
        Some(Presented::Caller(caller)) => Some(caller.scope().tenant()),
        _ => None,
    }
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
