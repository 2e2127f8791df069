use actix_web::{HttpResponse, post, web};
use fairlead_domain::performance::acts::{self, Asked, Deed};
use fairlead_domain::performance::index_advice::Verification;
use fairlead_domain::performance::maintenance::{Due, due};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::ActKind;
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::routes::platform::database::{Advised, to_build};

/// What is to be done about what is found.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = OptimizeRequest, example = json!({"apply": true}))]
struct OptimizeBody {
    /// `true`: what no guard is against is asked for. Otherwise it is only told.
    #[serde(default)]
    #[schema(default = false)]
    apply: bool,
}

/// What would make the database faster.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Optimization, example = json!({
    "applied": true,
    "proposals": [{
        "kind": "vacuum", "subject": "leads", "table": "leads", "why": "33 % of its rows are dead", "guard": null,
        "actId": "01934f6e-7b1a-7cc3-98a4-0242ac120002",
    }],
}))]
struct OptimizationView {
    applied: bool,
    /// Tables first, the most pressing one of them before the others; then indexes, the one that gains most first.
    proposals: Vec<ProposalView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Proposal)]
struct ProposalView {
    kind: ActKind,
    subject: String,
    #[schema(required = true)]
    table: Option<String>,
    why: String,
    /// What keeps it from being done unless it is asked for by itself.
    #[schema(required = true)]
    guard: Option<String>,
    /// By which it is followed, if it was asked for.
    #[schema(required = true)]
    act_id: Option<Uuid>,
}

/// Look for what would make the database faster, and have it done.
///
/// Tables that are due are vacuumed, and indexes built that are suggested. Of the latter those alone that the planner takes
/// where the extension `hypopg` asks it: others are built by `POST …/database/indexes`. Each is an act of its own, in the
/// ledger, with what was measured before and after.
#[utoipa::path(
    tag = "platform",
    operation_id = "optimize",
    request_body = OptimizeBody,
    responses((status = 200, description = "What was found, and asked for.", body = OptimizationView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/optimize")]
pub(super) async fn optimize(
    services: web::Data<Services>,
    operator: Operator,
    body: JsonBody<OptimizeBody>,
) -> Result<HttpResponse, Problem> {
    let mut found = Vec::new();
    let tables = services.performance.catalog.tables().await?;
    for maintenance in due(&tables, &Due::default()) {
        let why = maintenance.why();
        let deed = Deed::Vacuum {
            table: maintenance.table,
        };
        found.push((ActKind::Vacuum, deed, why, None));
    }
    let advised = Advised::of(&services).await?;
    for (advice, verification) in &advised.advice {
        let guard = match verification {
            Verification::Verified(_) => None,
            Verification::Refuted(_) => Some("the planner does not take it".to_owned()),
            Verification::Unverified(why) => Some(why.clone()),
        };
        let why = format!(
            "it would save {:.0} ms of what statements took in {:.0} s, and cost writes {:.0} ms",
            advice.saved_ms,
            advised.measured.as_secs_f64(),
            advice.write_ms
        );
        let deed = Deed::BuildIndex(to_build(advice, &services));
        found.push((ActKind::BuildIndex, deed, why, guard));
    }
    let applied = body.value.apply;
    let mut proposals = Vec::with_capacity(found.len());
    let mut uow = super::begin(&services).await?;
    for (kind, deed, why, guard) in found {
        let mut proposal = ProposalView {
            kind,
            subject: deed.subject().to_owned(),
            table: deed.table().map(str::to_owned),
            why,
            guard,
            act_id: None,
        };
        if applied && proposal.guard.is_none() {
            let why = proposal.why.clone();
            let (Asked::New(act) | Asked::Before(act)) =
                acts::ask(&mut *uow, deed, why, operator.0.operator()).await?;
            proposal.act_id = Some(act.id.as_uuid());
        }
        proposals.push(proposal);
    }
    uow.commit().await?;
    if applied {
        tracing::info!(
            operator = operator.0.operator(),
            found = proposals.len(),
            "the database is optimized"
        );
    }
    Ok(HttpResponse::Ok().json(OptimizationView { applied, proposals }))
}
