use actix_web::{HttpResponse, get, post, web};
use fairlead_domain::invalid::Invalid;
use fairlead_domain::performance::acts::NewIndex;
use fairlead_domain::performance::index_advice::{
    Costs, IndexAdvice, Migration, Verification, advise, migration,
};
use fairlead_domain::store::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::indexing_strategy::measured;
use super::statement_texts;
use super::suggestion::SuggestionView;
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::Problem;

/// Indexes that would pay.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IndexSuggestions, example = json!({
    "measuredSeconds": 86_400.0, "items": [{
        "name": "idx_leads_tenant_id_company_5d1c0a2f", "table": "leads",
        "statement": "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_leads_tenant_id_company_5d1c0a2f ON leads (tenant_id, company)",
        "savedMs": 48_210.0, "writeMs": 310.0, "gainMs": 47_900.0, "bytes": 9_400_000.0, "serves": [], "replaces": [],
        "risks": [],
        "verification": {"verdict": "verified", "costBefore": 4_120.0, "costAfter": 12.4, "why": null},
    }],
    "unread": [],
}))]
struct SuggestionsView {
    /// For how long this process has measured statements.
    measured_seconds: f64,
    /// Those that gain most come first, and those that the planner would not take last.
    items: Vec<VerifiedView>,
    /// Fingerprints of statements that nothing is said of, because they are not understood.
    unread: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VerifiedIndexSuggestion)]
struct VerifiedView {
    #[serde(flatten)]
    suggestion: SuggestionView,
    verification: VerificationView,
}

/// What the planner would make of an index, as if it were there.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IndexVerification)]
struct VerificationView {
    /// `verified`: the statements are believed to cost less by three tenths or more; `refuted`; `unverified`.
    verdict: &'static str,
    /// What up to three of the statements that it serves are believed to cost together, each once.
    #[schema(required = true)]
    cost_before: Option<f64>,
    #[schema(required = true)]
    cost_after: Option<f64>,
    /// Why it is `unverified`.
    #[schema(required = true)]
    why: Option<String>,
}

/// An index that is built is judged by those of its statements that save most.
const MOST_SERVED: usize = 5;
/// So many indexes are made by one step at the most.
const MOST: usize = 100;

/// Which indexes a step of the schema is to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = IndexMigrationRequest, example = json!({"names": ["idx_leads_tenant_id_company_5d1c0a2f"]}))]
struct MigrationBody {
    /// Of `index-suggestions`; all that the planner does not refute, if they are left out.
    #[schema(min_items = 1, max_items = 100)]
    names: Option<Vec<String>>,
}

/// A step of the schema that makes indexes, and one that takes them away again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IndexMigration, example = json!({
    "indexes": ["idx_leads_tenant_id_company_5d1c0a2f"],
    "file": "migrations/src/sql/m20261123_070509_advised_indexes.sql",
    "up": "CREATE INDEX IF NOT EXISTS idx_leads_tenant_id_company_5d1c0a2f ON leads (tenant_id, company);\n",
    "down": "DROP INDEX IF EXISTS idx_leads_tenant_id_company_5d1c0a2f;\n",
    "ahead": ["CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_leads_tenant_id_company_5d1c0a2f ON leads (tenant_id, company)"],
    "aheadOfDown": ["DROP INDEX CONCURRENTLY IF EXISTS idx_leads_tenant_id_company_5d1c0a2f"],
}))]
struct MigrationView {
    /// Those that it makes; none: nothing is suggested.
    indexes: Vec<String>,
    /// Where the step belongs.
    file: String,
    /// What is to stand there, with the evidence.
    up: String,
    /// What takes it back. Steps go forward only, so it is another one.
    down: String,
    /// What is run as the owner before the step where others write meanwhile, each by itself and outside a transaction; the
    /// step finds it done.
    ahead: Vec<String>,
    /// The same before `down`.
    ahead_of_down: Vec<String>,
}

impl From<Verification> for VerificationView {
    fn from(verification: Verification) -> Self {
        let by = |verdict, Costs { before, after }| Self {
            verdict,
            cost_before: Some(before),
            cost_after: Some(after),
            why: None,
        };
        match verification {
            Verification::Verified(costs) => by("verified", costs),
            Verification::Refuted(costs) => by("refuted", costs),
            Verification::Unverified(why) => Self {
                verdict: "unverified",
                cost_before: None,
                cost_after: None,
                why: Some(why),
            },
        }
    }
}

/// What is advised, and what the planner makes of it.
pub(in super::super) struct Advised {
    pub(in super::super) advice: Vec<(IndexAdvice, Verification)>,
    unread: Vec<String>,
    /// For how long this process has measured statements.
    pub(in super::super) measured: std::time::Duration,
}

impl Advised {
    pub(in super::super) async fn of(services: &Services) -> Result<Self, StoreError> {
        let measured = measured(services);
        let (statements, period) = (measured.statements.clone(), measured.period);
        let indexing = services.performance.catalog.indexing(measured).await?;
        let advice = advise(&indexing.workload);
        let verified = services.performance.plans.verify(&advice, &statements).await?;
        let mut advice: Vec<(IndexAdvice, Verification)> = advice.into_iter().zip(verified).collect();
        advice.sort_by_key(|(_, verification)| matches!(verification, Verification::Refuted(_)));
        Ok(Self {
            advice,
            unread: indexing.unread.iter().map(ToString::to_string).collect(),
            measured: period,
        })
    }

    /// One by its name.
    pub(super) fn named(&self, name: &str) -> Result<&IndexAdvice, Invalid> {
        let mut advice = self.advice.iter().map(|(advice, _)| advice);
        advice
            .find(|advice| advice.index.name() == name)
            .ok_or_else(|| not_suggested("name", name))
    }
}

/// The index that is to be built, with those of the statements that it serves whose texts are known.
pub(in super::super) fn to_build(advice: &IndexAdvice, services: &Services) -> NewIndex {
    let served = advice.serves.iter().map(|served| served.fingerprint.as_str());
    NewIndex::of(&advice.index, statement_texts(served.take(MOST_SERVED), services))
}

fn not_suggested(field: &'static str, name: &str) -> Invalid {
    // PostgreSQL has no longer names, so what is longer is none, and not worth repeating.
    let shown: String = name.chars().take(63).collect();
    let fault = format!("{shown:?} is not suggested now; `GET …/index-suggestions` tells what is");
    Invalid::field(field, fault)
}

/// Suggest indexes.
///
/// By the statements that this process has measured: each is read for what it compares, sorts by and returns, a model says
/// what it would save, and the planner is asked where the extension `hypopg` is installed.
#[utoipa::path(
    tag = "platform",
    operation_id = "listIndexSuggestions",
    responses((status = 200, description = "Now.", body = SuggestionsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/database/index-suggestions")]
pub(super) async fn index_suggestions(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let advised = Advised::of(&services).await?;
    let items = advised
        .advice
        .into_iter()
        .map(|(advice, verification)| VerifiedView {
            suggestion: SuggestionView::new(&advice, &services),
            verification: verification.into(),
        });
    Ok(HttpResponse::Ok().json(SuggestionsView {
        measured_seconds: advised.measured.as_secs_f64(),
        items: items.collect(),
        unread: advised.unread,
    }))
}

/// Write the step of the schema that makes suggested indexes.
///
/// Nothing is changed: the step is to be read, and added to the others.
#[utoipa::path(
    tag = "platform",
    operation_id = "writeIndexMigration",
    request_body = MigrationBody,
    responses((status = 200, description = "The step.", body = MigrationView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/database/index-suggestions/migration")]
pub(super) async fn index_migration(
    services: web::Data<Services>,
    _operator: Operator,
    body: JsonBody<MigrationBody>,
) -> Result<HttpResponse, Problem> {
    let names = body.value.names;
    if names
        .as_ref()
        .is_some_and(|names| !(1..=MOST).contains(&names.len()))
    {
        let fault = format!("must have from 1 to {MOST}; leave it out for all that is suggested");
        return Err(Invalid::field("names", fault).into());
    }
    let advised = Advised::of(&services).await?;
    let chosen = match names {
        None => {
            let wanted = advised.advice.into_iter();
            let wanted = wanted.filter(|(_, verification)| !matches!(verification, Verification::Refuted(_)));
            wanted.map(|(advice, _)| advice).collect()
        }
        Some(names) => named(advised.advice, &names)?,
    };
    let Migration {
        name,
        up,
        down,
        ahead,
        ahead_of_down,
    } = migration(&chosen, advised.measured, services.clock.now());
    Ok(HttpResponse::Ok().json(MigrationView {
        indexes: chosen.iter().map(|advice| advice.index.name()).collect(),
        file: format!("migrations/src/sql/{name}.sql"),
        up,
        down,
        ahead,
        ahead_of_down,
    }))
}

fn named(advice: Vec<(IndexAdvice, Verification)>, names: &[String]) -> Result<Vec<IndexAdvice>, Invalid> {
    let (mut chosen, mut known) = (Vec::new(), Vec::new());
    for (advice, _) in advice {
        let name = advice.index.name();
        if names.contains(&name) {
            chosen.push(advice);
        }
        known.push(name);
    }
    match names.iter().find(|name| !known.contains(name)) {
        Some(name) => Err(not_suggested("names", name)),
        None => Ok(chosen),
    }
}
