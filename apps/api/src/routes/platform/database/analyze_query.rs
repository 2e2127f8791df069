use actix_web::{HttpResponse, post, web};
use fairlead_domain::Id;
use fairlead_domain::access::SystemScope;
use fairlead_domain::identity::OperatorAct;
use fairlead_domain::performance::plans::{
    AnalyseError, AnalyseQuery, Analysed, CostClass, Plan, Run, findings,
};
use fairlead_domain::store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::plan_view::{FindingView, PlanNodeView};
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::units::milliseconds;

/// Of a statement that is run, so many characters stand in the audit log.
const SHOWN: usize = 2_000;

/// A statement to be judged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = QueryToAnalyze, example = json!({
    "sql": "SELECT id, name FROM leads WHERE tenant_id = $1 AND status = $2 ORDER BY created_at DESC LIMIT 50",
    "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001",
}))]
struct QueryBody {
    /// One SELECT on tables of the product, with values or with parameters from `$1` to `$255`.
    #[schema(min_length = 1, max_length = 65_536)]
    sql: String,
    /// In whose rows it is planned, and run.
    tenant_id: Uuid,
    /// Whether it is run, too: then rows and times are told as they were. It takes no parameters then.
    #[serde(default)]
    #[schema(default = false)]
    execute: bool,
}

/// How a statement is run, and what is wrong with that.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QueryAnalysis, example = json!({
    "cost": 812.4, "costClass": "low", "estimatedRows": 50.0, "actualRows": null, "planningMs": null,
    "executionMs": null, "tookMs": 9.1,
    "plan": {
        "kind": "Limit", "startupCost": 0.4, "totalCost": 812.4, "estimatedRows": 50.0, "rowBytes": 32,
        "children": [{
            "kind": "Index Scan", "relation": "leads", "alias": "leads", "index": "idx_leads_status_created",
            "startupCost": 0.4, "totalCost": 16_240.1, "estimatedRows": 1_000.0, "rowBytes": 32,
            "indexCondition": "((leads.tenant_id = $1) AND (leads.status = $2))",
        }],
    },
    "findings": [],
}))]
struct AnalysisView {
    /// In the planner's unit: to read a page one after the other.
    cost: f64,
    /// What that means, before it is run: `low` below 1,000, fit for every request; `medium` below 50,000; `high` below
    /// 1,000,000, for reports; `extreme`.
    cost_class: &'static str,
    estimated_rows: f64,
    /// `null`: it was not run.
    #[schema(required = true)]
    actual_rows: Option<f64>,
    /// As the server measured; `null`: it was not run.
    #[schema(required = true)]
    planning_ms: Option<f64>,
    #[schema(required = true)]
    execution_ms: Option<f64>,
    /// From the connection to the answer.
    took_ms: f64,
    plan: PlanNodeView,
    /// Those first that are found highest in the plan.
    findings: Vec<FindingView>,
}

impl From<Analysed> for AnalysisView {
    fn from(analysed: Analysed) -> Self {
        let findings = findings(&analysed);
        let Plan {
            root,
            planning_ms,
            execution_ms,
        } = analysed.plan;
        Self {
            cost: root.total_cost,
            cost_class: CostClass::of(root.total_cost).as_str(),
            estimated_rows: root.rows,
            actual_rows: root.actual.map(|actual| actual.rows * actual.loops),
            planning_ms: planning_ms.filter(|_| execution_ms.is_some()),
            execution_ms,
            took_ms: milliseconds(analysed.took),
            plan: root.into(),
            findings: findings.into_iter().map(FindingView::from).collect(),
        }
    }
}

/// Tell how the database would run a statement, and what is wrong with that.
///
/// The statement is planned as the role of requests, in one tenant, by a transaction that writes nothing, and given up after
/// 0.8 seconds. Nothing but one SELECT on tables of the product passes, and of functions only those that are known to change
/// nothing and to make nothing large; what gathers rows into one value, such as `string_agg`, is planned and not run. The
/// rows that it finds are told to nobody. Estimates are by the statistics of all tenants, so operators alone are told them.
/// What is run stands in the audit log, with the operator and the tenant.
#[utoipa::path(
    tag = "platform",
    operation_id = "analyzeQuery",
    request_body = QueryBody,
    responses(
        (status = 200, description = "The plan.", body = AnalysisView),
        Problems<AnalyseError>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/database/analyze-query")]
pub(super) async fn analyze_query(
    services: web::Data<Services>,
    operator: Operator,
    body: JsonBody<QueryBody>,
) -> Result<HttpResponse, Problem> {
    let QueryBody {
        sql,
        tenant_id,
        execute,
    } = body.value;
    let query = AnalyseQuery {
        tenant: Id::from_uuid(tenant_id),
        sql,
        run: if execute { Run::Executed } else { Run::PlannedOnly },
    };
    if execute {
        audit(&services, operator.0.operator(), &query).await?;
        tracing::info!(
            operator = operator.0.operator(),
            tenant = %tenant_id,
            "a statement is run to be analyzed"
        );
    }
    let analysed = services.performance.plans.analyse(query).await?;
    Ok(HttpResponse::Ok().json(AnalysisView::from(analysed)))
}

/// Writes down what is to be run, whatever comes of it.
#[expect(clippy::disallowed_methods, reason = "operators act across tenants")]
async fn audit(services: &Services, operator: &str, query: &AnalyseQuery) -> Result<(), StoreError> {
    let shown: String = query.sql.chars().take(SHOWN).collect();
    let act = OperatorAct {
        operator,
        action: "statement_analyzed",
        entity: "statement",
        after: json!({ "tenant": query.tenant.as_uuid(), "sql": shown, "sqlBytes": query.sql.len() }),
    };
    let scope = SystemScope::new("operator: audit");
    let mut uow = services.system.begin(&scope).await?;
    uow.operators().audit(&act).await?;
    uow.commit().await.map(drop)
}
