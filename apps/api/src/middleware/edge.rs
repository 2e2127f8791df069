use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{self, BodySize, BoxBody, MessageBody, SizedStream};
use actix_web::dev::{ResponseHead, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::HeaderName;
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, ResponseError as _};
use fairlead_telemetry::request::{self, Phase, RequestContext};
use futures_util::stream::empty;

use super::admission::Admission;
use super::cors::{self, Readers};
use super::guard::{guarded, has_deadline};
use super::log::Line;
use super::{gate, headers, limits, query};
use crate::authentication::{Presented, authenticate};
use crate::compression::{self, Compression};
use crate::problem::Problem;
use crate::read::shortcut;
use crate::state::{ApiSettings, Services};

/// Does for a request all that is the same for each.
///
/// HEAD is handled as the GET it stands for; the server leaves the body out.
pub(crate) async fn edge<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let services = Services::of(request.request()).clone();
    let context = Arc::new(open_context(&request, &services.settings, started));
    let line = Line::begin(&request, started);
    let is_head = request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
    }
    let place = headers::Place::of(request.path());
    let readers = Readers::of(&request, place, &services.settings.allowed_origins);

    let scope = Arc::clone(&context);
    request::scope(scope, async move {
        let settings = &services.settings;
        let mut admission = Admission::new(request.request(), &services, started);
        let work = handle(request, next, &services, &readers, &context, &mut admission);
        let handled = guarded(context.time_left(), work).await;
        match handled {
            Ok(Handled { response, route }) => {
                let mut response = compressed(response, &settings.compression);
                if is_head {
                    response = response.map_body(|_, body| without_stream(body));
                }
                admission.end(response.status(), response.headers_mut());
                headers::set(
                    response.headers_mut(),
                    place,
                    &readers,
                    settings,
                    &context,
                    started,
                );
                send_away(&services, response.response_mut().head_mut());
                line.write(Ok((&response, route)), &context, &services);
                Ok(response)
            }
            // The handler has kept the request that an answer would be put to, so this one leaves as an error.
            Err(problem) => {
                let mut response = problem.error_response();
                admission.end(response.status(), response.headers_mut());
                headers::set(
                    response.headers_mut(),
                    place,
                    &readers,
                    settings,
                    &context,
                    started,
                );
                send_away(&services, response.head_mut());
                line.write(Err(&problem), &context, &services);
                Err(InternalError::from_response(problem, response).into())
            }
        }
    })
    .await
}

/// While the server is about to stop, a connection ends with its answer.
fn send_away(services: &Services, answer: &mut ResponseHead) {
    if services.open_connections.are_sent_away() && answer.status != StatusCode::SWITCHING_PROTOCOLS {
        answer.set_connection_type(ConnectionType::Close);
    }
}

/// What the server need not drive to its end, which it would to leave it out: a file is read for that, and a stream of
/// events has no end. The length stays, as it is told.
fn without_stream(body: BoxBody) -> BoxBody {
    match body.size() {
        BodySize::Stream => BoxBody::new(body::None::new()),
        BodySize::Sized(length) => match body.try_into_bytes() {
            Ok(bytes) => BoxBody::new(bytes),
            Err(_) => BoxBody::new(SizedStream::new(length, empty::<Result<Bytes, Infallible>>())),
        },
        BodySize::None => body,
    }
}

fn open_context(request: &ServiceRequest, settings: &ApiSettings, started: Instant) -> RequestContext {
    let header = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let deadline = has_deadline(request.path()).then(|| started + settings.deadline);
    let mut name = String::with_capacity(8 + request.path().len());
    for part in [request.method().as_str(), " ", request.path()] {
        name.push_str(part);
    }
    RequestContext::from_headers(
        header(headers::REQUEST_ID),
        header(headers::TRACEPARENT),
        deadline,
    )
    .named(name)
    .traced()
}

/// An answer, and the pattern of the route that led to it where the route was not looked for.
pub(super) struct Handled {
    pub(super) response: ServiceResponse<BoxBody>,
    pub(super) route: Option<Arc<str>>,
}

async fn handle<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
    services: &Services,
    readers: &Readers,
    context: &RequestContext,
    admission: &mut Admission<'_>,
) -> Result<Handled, actix_web::Error> {
    if let Err(problem) = admission.enter(request.request(), services) {
        return Ok(request.error_response(problem).into());
    }
    if let Some(problem) = limits::exceeded(&request, &services.settings) {
        return Ok(request.error_response(problem).into());
    }
    match cors::preflight(&request, readers) {
        None => {}
        Some(Ok(told)) => return Ok(request.into_response(told).into()),
        Some(Err(problem)) => return Ok(request.error_response(problem).into()),
    }
    let presented = authenticate(request.request(), services).await;
    if let Some(Presented::Caller(caller)) = &presented {
        context.name_tenant(caller.scope().tenant().as_uuid().as_u128());
    }
    let admitted = admission.pass(presented.as_ref(), request.request(), services);
    if let Err(problem) = admitted.and_then(|()| within_plan(presented.as_ref(), &request, services)) {
        // The log tells whose request it was.
        if let Some(presented) = presented {
            request.extensions_mut().insert(presented);
        }
        return Ok(request.error_response(problem).into());
    }
    context.note_phase(Phase::Admission, context.age());
    let is_stranger = matches!(presented, Some(Presented::Nothing | Presented::Refused(_)));
    if let Some(presented) = presented {
        let kept = match &presented {
            Presented::Caller(caller) => shortcut::take(&request, caller, services),
            Presented::Nothing | Presented::Operator(_) | Presented::Refused(_) => None,
        };
        request.extensions_mut().insert(presented);
        if let Some((response, route)) = kept {
            return Ok(Handled {
                response: request.into_response(response),
                route: Some(route),
            });
        }
    }
    // A stranger is told first that it must say who it is.
    if !is_stranger && let Some(problem) = query::uncalled_for(&request) {
        return Ok(request.error_response(problem).into());
    }
    gate::pass(request, next, services).await
}

/// Refuses a caller whose tenant has made all calls that its plan allows.
fn within_plan(
    presented: Option<&Presented>,
    request: &ServiceRequest,
    services: &Services,
) -> Result<(), Problem> {
    let Some(Presented::Caller(caller)) = presented else {
        return Ok(());
    };
    let tenant = caller.scope().tenant();
    // As the router sees the path.
    let path = request.match_info().as_str();
    let refusal = services.plan_calls.refusal(tenant, path, || services.clock.now());
    refusal.map_or(Ok(()), Err)
}

impl From<ServiceResponse<BoxBody>> for Handled {
    fn from(response: ServiceResponse<BoxBody>) -> Self {
        Self {
            response,
            route: None,
        }
    }
}

/// Compresses an answer on its way out, unless it is ready or streams.
fn compressed(response: ServiceResponse<BoxBody>, compression: &Compression) -> ServiceResponse<BoxBody> {
    let length = match response.response().body().size() {
        BodySize::Sized(length) => usize::try_from(length).unwrap_or(usize::MAX),
        BodySize::None | BodySize::Stream => return response,
    };
    if !compression::is_compressible(response.response()) {
        return response;
    }
    let Some(coding) = compression.choose(response.request().headers(), length) else {
        return response;
    };
    let (request, response) = response.into_parts();
    let response = compression::compress(response, coding, compression);
    ServiceResponse::new(request, response)
}

/// An error of the HTTP framework that is none of ours, as a problem.
pub(super) fn foreign(error: &actix_web::Error) -> Problem {
    use crate::problem::Kind;

    match error.as_error::<Problem>() {
        Some(problem) => problem.clone(),
        None if error.as_response_error().status_code().is_client_error() => {
            Problem::client(Kind::MalformedRequest, error.to_string())
        }
        None => Problem::server(Kind::Internal, Foreign(error.to_string())),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Foreign(String);
