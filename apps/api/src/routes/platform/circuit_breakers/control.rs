use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::SystemScope;
use fairlead_domain::clock;
use fairlead_domain::identity::OperatorAct;
use fairlead_domain::invalid::Faults;
use fairlead_domain::store::StoreError;
use fairlead_domain::text as texts;
use fairlead_domain::upstreams::Hold;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
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
/// From the answer on the process that is asked begins no call to the service, whatever becomes of that, and with Redis the
/// others do not either within a second; calls under way go on. What would be asked of the service is answered otherwise
/// meanwhile, and says that it is.
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
    let after =
        json!({"name": report.name, "state": "open", "reason": hold.reason, "until": until.map(told)});
    audit(&services, &hold.operator, "circuit_breaker_opened", after).await;
    Ok(HttpResponse::Ok().json(CircuitBreakerView::from(report)))
}

/// Close a circuit breaker, whoever had opened it.
///
/// In the process that is asked, and with Redis in the others within a second. If the service is not well, it opens again
/// after as many failures as ever.
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
    let after = json!({"name": report.name, "state": "closed", "reason": reason});
    audit(&services, operator.0.operator(), "circuit_breaker_closed", after).await;
    Ok(HttpResponse::Ok().json(CircuitBreakerView::from(report)))
}

/// Writes down what an operator has done. It stands whether that succeeds or not: who opens a breaker may do so because all
/// else is down too, and the log has it.
async fn audit(services: &Services, operator: &str, action: &'static str, after: Value) {
    let act = OperatorAct {
        operator,
        action,
        entity: "circuit_breaker",
        after,
    };
    if let Err(error) = write_down(services, &act).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            operator,
            action,
            "what an operator has done could not be written to the audit log"
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "operators act across tenants")]
async fn write_down(services: &Services, act: &OperatorAct<'_>) -> Result<(), StoreError> {
    let scope = SystemScope::new("operator: audit");
    let mut uow = services.system.begin(&scope).await?;
    uow.operators().audit(act).await?;
    uow.commit().await.map(drop)
}

fn told(moment: OffsetDateTime) -> String {
    moment
        .format(&Rfc3339)
        .expect("a moment that was read from RFC 3339 can be written so")
}
