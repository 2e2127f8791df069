use std::sync::Arc;
use std::time::Instant;

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody as _};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap};
use actix_web::http::{Method, StatusCode, Uri};
use fairlead_domain::Id;
use fairlead_domain::identity::TenantId;
use fairlead_domain::performance::{Fingerprint, StatementCost};
use fairlead_telemetry::request::{Phase, RequestContext, StatementWork};
use tracing::Level;
use uuid::Uuid;

use super::slow::{SlowRequest, Spent};
use super::tenants::TenantUse;
use super::times::{Answered, Waited, method_name};
use crate::authentication::Presented;
use crate::plan_calls;
use crate::problem::{Kind, Problem};
use crate::state::Services;
use crate::units::milliseconds;

/// What is told of a request once it is answered.
#[derive(Debug)]
pub(super) struct Line {
    method: Method,
    uri: Uri,
    started: Instant,
    /// Of its body, as its head says.
    received_bytes: u64,
}

/// What is known of an answer.
struct Told<'a> {
    route: Option<&'a str>,
    status: StatusCode,
    /// Of its body; 0 of a stream.
    sent_bytes: u64,
}

impl Line {
    pub(super) fn begin(request: &ServiceRequest, started: Instant) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            started,
            received_bytes: content_length(request.headers()).unwrap_or_default(),
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
        let sent_bytes = answer.map_or(0, |response| match response.response().body().size() {
            BodySize::Sized(length) => length,
            BodySize::None | BodySize::Stream => 0,
        });
        let told = Told {
            route: route.as_deref(),
            status,
            sent_bytes,
        };
        self.time(&told, context, services);
        if tracing::enabled!(Level::INFO) {
            self.write_access(answer.ok(), route.as_deref(), status, problem, context);
        }
    }

    /// Counts the request, and keeps what is known of one that took long.
    fn time(&self, told: &Told<'_>, context: &RequestContext, services: &Services) {
        let Told {
            route,
            status,
            sent_bytes,
        } = *told;
        let at = Instant::now();
        let took = at.saturating_duration_since(self.started);
        let statements: Vec<_> = context.statements().into_iter().map(statement_cost).collect();
        let work = context.database_work();
        let waited = Waited {
            admission: context.spent_on(Phase::Admission),
            pool: context.spent_on(Phase::PoolWait),
            database: work.time,
            shared_cache: context.spent_on(Phase::SharedCache),
            upstreams: context.spent_on(Phase::Upstream),
        };
        context.note_answer(self.method.as_str(), route, status.as_u16());
        let is_measured = services.performance.settings.recording;
        let is_slowest = is_measured
            && services.times.note(&Answered {
                method: &self.method,
                route,
                status,
                took,
                at,
                statements: &statements,
                waited,
            });
        let tenant = context.tenant().map(|id| Id::from_uuid(Uuid::from_u128(id)));
        let of_tenant = TenantUse {
            failed: u64::from(status.is_server_error()),
            calls: u64::from(plan_calls::counts(status)),
            received_bytes: self.received_bytes,
            sent_bytes,
            statements: work.statements,
            rows: work.rows,
            database: work.time,
            ..TenantUse::of(took)
        };
        services
            .tenant_meters
            .note(tenant, method_name(&self.method), route, &of_tenant);
        let is_slow = took >= services.settings.slow_request;
        if is_slow {
            let (method, path) = (&self.method, self.uri.path());
            tracing::warn!("Slow request: {method} {path} - {} ms", took.as_millis());
        }
        if is_slowest || (is_slow && is_measured) {
            services.slow.keep(SlowRequest {
                request_id: context.request_id().to_string(),
                trace_id: context.trace_id().to_string(),
                at: services.clock.now(),
                method: self.method.as_str().into(),
                route: route.unwrap_or_default().into(),
                path: self.uri.path().to_owned(),
                status: status.as_u16(),
                tenant,
                took,
                spent: Spent {
                    admission: waited.admission,
                    pool_wait: waited.pool,
                    database: waited.database,
                    round_trips: work.round_trips,
                    shared_cache: waited.shared_cache,
                    upstreams: waited.upstreams,
                    serialisation: context.spent_on(Phase::Serialisation),
                    statements,
                },
                is_slow,
            });
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

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn statement_cost(work: StatementWork) -> StatementCost {
    StatementCost {
        fingerprint: Fingerprint::new(work.fingerprint),
        calls: work.calls,
        rows: work.rows,
        time: work.time,
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
