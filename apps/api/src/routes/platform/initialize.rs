use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::SystemScope;
use fairlead_domain::identity::{ExtensionState, OperatorAct, Preparation};
use fairlead_domain::performance::alerts::{default_objectives, default_rules};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;

/// What the performance subsystem needs of the database, and how it was found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PerformanceInitialization, example = json!({
    "isReady": true,
    "tables": [{"name": "perf.samples", "isThere": true}],
    "partitions": {"found": 8, "made": 0},
    "alerts": {"found": 19, "made": 0},
    "extensions": [{"name": "pg_stat_statements", "state": "available", "purpose": "what statements cost the server"}],
}))]
struct InitializationView {
    /// Whether all is there that nothing goes without.
    is_ready: bool,
    /// Those are made by migrations alone: `fairlead migrate`.
    tables: Vec<TableView>,
    /// Of events and the audit log, by month.
    partitions: FoundView,
    /// Rules and objectives that come with the platform.
    alerts: FoundView,
    extensions: Vec<ExtensionView>,
}

/// How many there were, and how many had to be made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FoundAndMade)]
struct FoundView {
    found: u64,
    made: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PerformanceTable)]
struct TableView {
    name: String,
    is_there: bool,
}

/// Something that the server can be extended by. Nothing here needs it; it shows more where it is there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PerformanceExtension)]
struct ExtensionView {
    name: String,
    /// `installed`; `available`: the owner of the database can create it; or `missing` from the server.
    state: &'static str,
    purpose: &'static str,
}

/// Make sure that all is there that performance is measured and judged with.
///
/// Servers do this by themselves when they start; done again, it makes what somebody has taken away, and tells what was
/// found. What operators have changed stays.
#[utoipa::path(
    tag = "platform",
    operation_id = "initializePerformance",
    responses((status = 200, description = "What was found, and made.", body = InitializationView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/initialize")]
#[expect(clippy::disallowed_methods, reason = "operators act across tenants")]
pub(super) async fn initialize(
    services: web::Data<Services>,
    operator: Operator,
) -> Result<HttpResponse, Problem> {
    let operator = operator.0.operator();
    let scope = SystemScope::new("operator: initialize performance");
    let mut uow = services.system.begin(&scope).await?;
    let Preparation {
        tables,
        partitions_found,
        partitions_made,
        extensions,
    } = uow.platform().prepare().await?;
    // What makes partitions waits for those who write, so nobody else may wait for it.
    uow.commit().await?;
    let mut uow = services.system.begin(&scope).await?;
    let (rules, objectives) = (default_rules(), default_objectives());
    let all = (rules.len() + objectives.len()) as u64;
    uow.alerts().hold().await?;
    let made = uow.alerts().ensure(&rules, &objectives).await?;
    let act = OperatorAct {
        operator,
        action: "performance_initialized",
        entity: "performance",
        after: json!({ "partitionsMade": partitions_made, "alertsMade": made }),
    };
    uow.operators().audit(&act).await?;
    uow.commit().await?;
    tracing::info!(operator, partitions_made, made, "performance was initialized");
    Ok(HttpResponse::Ok().json(InitializationView {
        is_ready: tables.iter().all(|(_, is_there)| *is_there),
        tables: tables
            .into_iter()
            .map(|(name, is_there)| TableView { name, is_there })
            .collect(),
        partitions: FoundView {
            found: partitions_found,
            made: partitions_made,
        },
        alerts: FoundView {
            found: all - made,
            made,
        },
        extensions: extensions
            .into_iter()
            .map(|(name, state)| ExtensionView {
                purpose: purpose(&name),
                name,
                state: match state {
                    ExtensionState::Installed => "installed",
                    ExtensionState::Available => "available",
                    ExtensionState::Missing => "missing",
                },
            })
            .collect(),
    }))
}

fn purpose(extension: &str) -> &'static str {
    match extension {
        "pg_stat_statements" => "what statements cost the server, whoever has sent them",
        "hypopg" => "whether an index would be used, before it is made",
        _ => "search by parts of words",
    }
}
