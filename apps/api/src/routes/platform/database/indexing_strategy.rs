use std::collections::BTreeMap;

use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::catalog::{IndexFacts, Indexing, Measured};
use fairlead_domain::performance::index_advice::{IndexFinding, advise, findings};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::suggestion::SuggestionView;
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;

/// Which indexes are there, which of them pay, and which would.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IndexingStrategy, example = json!({
    "countedSince": "2026-10-01T08:00:00Z", "days": 53, "measuredSeconds": 86_400.0,
    "totals": {"indexes": 141, "bytes": 96_000_000, "wastedBytes": 4_200_000},
    "indexes": [{
        "name": "idx_leads_source_status", "table": "leads",
        "definition": "CREATE INDEX idx_leads_source_status ON public.leads USING btree (tenant_id, source, status)",
        "bytes": 4_200_000, "scans": 0, "rowsFetched": 0, "isUnique": false, "isConstraint": false,
        "verdict": "unused", "beside": null,
    }],
    "missing": [], "unread": [],
}))]
struct StrategyView {
    /// Since when the use of indexes is counted, on the primary.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    counted_since: Option<OffsetDateTime>,
    /// The same in whole days. Nothing is called unused before the 31st.
    days: u32,
    /// For how long this process has measured the statements that `missing` is by.
    measured_seconds: f64,
    totals: TotalsView,
    /// By table and name; those that cost and do not pay come first.
    indexes: Vec<IndexView>,
    /// Those that would pay, by a model of what statements cost: the one that saves most first.
    missing: Vec<SuggestionView>,
    /// Fingerprints of statements that nothing is said of, because they are not understood.
    unread: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IndexTotals)]
struct TotalsView {
    indexes: usize,
    #[schema(minimum = 0)]
    bytes: u64,
    /// Of those that are invalid, duplicate, redundant or unused.
    #[schema(minimum = 0)]
    wasted_bytes: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IndexVerdict)]
struct IndexView {
    name: String,
    table: String,
    definition: String,
    #[schema(minimum = 0)]
    bytes: u64,
    #[schema(minimum = 0)]
    scans: u64,
    #[schema(minimum = 0)]
    rows_fetched: u64,
    is_unique: bool,
    is_constraint: bool,
    /// `used`; `needed` by a constraint; `idle`: not used so far, which is too short a time to say more; `unused`;
    /// `duplicate` of another one; `redundant`: the beginning of another one; `invalid`: its building was broken off.
    verdict: &'static str,
    /// The other one, of which it is a duplicate or the beginning.
    #[schema(required = true)]
    beside: Option<String>,
}

impl IndexView {
    fn new(facts: IndexFacts, finding: Option<&IndexFinding>) -> Self {
        let (verdict, beside) = match finding {
            Some(IndexFinding::Invalid { .. }) => ("invalid", None),
            Some(IndexFinding::Duplicate { of, .. }) => ("duplicate", Some(of.clone())),
            Some(IndexFinding::Redundant { beside, .. }) => ("redundant", Some(beside.clone())),
            Some(IndexFinding::Unused { .. }) => ("unused", None),
            // Of one that the advisor does not know.
            None if !facts.is_valid => ("invalid", None),
            None if facts.scans > 0 => ("used", None),
            None if facts.is_unique || facts.is_constraint => ("needed", None),
            None => ("idle", None),
        };
        Self {
            name: facts.name,
            table: facts.table,
            definition: facts.definition,
            bytes: facts.bytes,
            scans: facts.scans,
            rows_fetched: facts.rows_fetched,
            is_unique: facts.is_unique,
            is_constraint: facts.is_constraint,
            verdict,
            beside,
        }
    }

    fn is_wasted(&self) -> bool {
        !matches!(self.verdict, "used" | "needed" | "idle")
    }
}

impl StrategyView {
    fn new(indexing: Indexing, measured_seconds: f64, services: &Services) -> Self {
        let workload = &indexing.workload;
        let found: BTreeMap<String, IndexFinding> = findings(&workload.existing, indexing.days)
            .into_iter()
            .map(|finding| (finding.name().to_owned(), finding))
            .collect();
        let missing = advise(workload);
        let missing = missing.iter().map(|advice| SuggestionView::new(advice, services));
        let missing = missing.collect();
        let views = indexing.indexes.into_iter().map(|facts| {
            let finding = found.get(&facts.name);
            IndexView::new(facts, finding)
        });
        let mut indexes: Vec<IndexView> = views.collect();
        indexes.sort_by_key(|view| !view.is_wasted());
        let bytes = |of: &mut dyn Iterator<Item = &IndexView>| of.map(|view| view.bytes).sum();
        Self {
            counted_since: indexing.counted_since,
            days: indexing.days,
            measured_seconds,
            totals: TotalsView {
                indexes: indexes.len(),
                bytes: bytes(&mut indexes.iter()),
                wasted_bytes: bytes(&mut indexes.iter().filter(|view| view.is_wasted())),
            },
            indexes,
            missing,
            unread: indexing.unread.iter().map(ToString::to_string).collect(),
        }
    }
}

/// What this process has measured since its start.
pub(super) fn measured(services: &Services) -> Measured {
    Measured {
        statements: services.statements.statements(),
        period: services.times.age(),
    }
}

/// Tell which indexes pay, which do not, and which would.
///
/// The use of indexes is counted by the primary, what statements take by this process; what others send, and what replicas
/// answer, is not in it.
#[utoipa::path(
    tag = "platform",
    operation_id = "getIndexingStrategy",
    responses((status = 200, description = "Now.", body = StrategyView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/database/indexing-strategy")]
pub(super) async fn indexing_strategy(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let measured = measured(&services);
    let seconds = measured.period.as_secs_f64();
    let indexing = services.performance.catalog.indexing(measured).await?;
    Ok(HttpResponse::Ok().json(StrategyView::new(indexing, seconds, &services)))
}
