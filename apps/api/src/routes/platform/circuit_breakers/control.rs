use actix_web::{HttpResponse, post, web};
use fairlead_domain::clock;
use fairlead_domain::invalid::Faults;
use fairlead_domain::text as texts;
use fairlead_domain::upstreams::Hold;
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::NoSuchUpstream;
use super::view::CircuitBreakerView;
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::text;

/// Why a service is not to be called, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = CircuitBreakerOpening, example = json!({"reason": "the provider bills twice", "until": "2026-11-22T12:00:00Z"}))]
struct OpenBody {
    #[schema(schema_with = text::line::<500>)]
    reason: String,
    /// When it may be called again; when somebody closes the breaker, unless given.
    #[serde(default, with = "time::serde::rfc3339::option")]
    until: Option<OffsetDateTime>,
}

/// Why a service may be called again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CircuitBreakerClosing, example = json!({"reason": "the provider has mended it"}))]
struct CloseBody {
    #[schema(schema_with = text::line::<500>)]
    reason: String,
}

/// Open a circuit breaker.
///
/// In the process that is asked: from the answer on it begins no call to the service, whatever becomes of that; calls
/// under way go on. What would be asked of the service is answered otherwise meanwhile, and says that it is.
#[utoipa::path(
    tag = "platform",
    operation_id = "openCircuitBreaker",
    params(("name" = String, Path, description = "The service's name.")),
    request_body = OpenBody,
    responses(
        (status = 200, description = "How it stands.", body = CircuitBreakerView),
        Problems<NoSuchUpstream>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/circuit-breakers/{name}/open")]
pub(super) async fn open(
    services: web::Data<Services>,
    operator: Operator,
    name: web::Path<String>,
    body: JsonBody<OpenBody>,
) -> Result<HttpResponse, Problem> {
    let now = services.clock.now();
    let mut faults = Faults::default();
    let reason = faults.keep("reason", texts::line(&body.value.reason, 500));
    let until = faults.keep_optional("until", body.value.until.map(clock::stored));
    if until.is_some_and(|until| until <= now) {
        faults.add("until", "must lie in the future");
    }
    faults.finish()?;
    let hold = Hold {
        operator: operator.0.operator().to_owned(),
        reason: reason.expect("there was no fault"),
        since: now,
        until,
    };
    let report = services
        .upstreams
        .open(&name, hold.clone())
        .ok_or(NoSuchUpstream)?;
    tracing::warn!(
        operator = hold.operator,
        upstream = report.name,
        reason = hold.reason,
        "a circuit breaker was opened by hand"
    );
    Ok(HttpResponse::Ok().json(CircuitBreakerView::from(report)))
}

/// Close a circuit breaker, whoever had opened it.
///
/// In the process that is asked. If the service is not well, it opens again after as many failures as ever.
#[utoipa::path(
    tag = "platform",
    operation_id = "closeCircuitBreaker",
    params(("name" = String, Path, description = "The service's name.")),
    request_body = CloseBody,
    responses(
        (status = 200, description = "How it stands.", body = CircuitBreakerView),
        Problems<NoSuchUpstream>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/circuit-breakers/{name}/close")]
pub(super) async fn close(
    services: web::Data<Services>,
    operator: Operator,
    name: web::Path<String>,
    body: JsonBody<CloseBody>,
) -> Result<HttpResponse, Problem> {
    let mut faults = Faults::default();
    let reason = faults.keep("reason", texts::line(&body.value.reason, 500));
    faults.finish()?;
    let report = services.upstreams.close(&name).ok_or(NoSuchUpstream)?;
    tracing::warn!(
        operator = operator.0.operator(),
        upstream = report.name,
        reason,
        "a circuit breaker was closed by hand"
    );
    Ok(HttpResponse::Ok().json(CircuitBreakerView::from(report)))
}
