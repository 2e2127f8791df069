use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::SystemScope;
use fairlead_domain::identity::OperatorAct;
use fairlead_domain::store::StoreError;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::Services;
use crate::authentication::Operator;
use crate::performance::counted::Counted;
use crate::problem::Problem;

/// What is shown no more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PerformanceReset, example = json!({
    "seconds": 3600.0, "requests": 91_500, "statements": 1_210, "slowRequests": 57,
}))]
struct ResetView {
    /// For how long was counted until now.
    seconds: f64,
    /// How many were counted,
    requests: u64,
    statements: u64,
    /// and how many kept.
    slow_requests: u64,
}

/// Have this process begin anew with what it shows of requests and statements.
///
/// From now on `stats`, `endpoints` and `slow-queries` without a period tell of what comes, and slow requests that were kept
/// are gone. What is written down stays, and so do metrics, alerts and what tenants have taken. Another process shows what
/// it did.
#[utoipa::path(
    tag = "platform",
    operation_id = "resetPerformance",
    responses((status = 200, description = "What is shown no more.", body = ResetView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/reset")]
pub(super) async fn reset(
    services: web::Data<Services>,
    operator: Operator,
) -> Result<HttpResponse, Problem> {
    let operator = operator.0.operator();
    audit(&services, operator).await?;
    let slow_requests = services.slow.all().len() as u64;
    let counted = Counted::begin_anew(&services);
    tracing::warn!(
        operator,
        "what was counted of requests and statements is shown no more"
    );
    Ok(HttpResponse::Ok().json(ResetView {
        seconds: counted.span.as_secs_f64(),
        requests: counted.times.values().map(|times| times.sketch.count()).sum(),
        statements: counted.statements.iter().map(|report| report.times.count()).sum(),
        slow_requests,
    }))
}

#[expect(clippy::disallowed_methods, reason = "operators act across tenants")]
async fn audit(services: &Services, operator: &str) -> Result<(), StoreError> {
    let act = OperatorAct {
        operator,
        action: "performance_reset",
        entity: "performance",
        after: json!({ "process": std::process::id() }),
    };
    let mut uow = services
        .system
        .begin(&SystemScope::new("operator: audit"))
        .await?;
    uow.operators().audit(&act).await?;
    uow.commit().await.map(drop)
}
