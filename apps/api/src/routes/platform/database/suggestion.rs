use fairlead_domain::performance::Fingerprint;
use fairlead_domain::performance::index_advice::{IndexAdvice, Risk, Served};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Services;

/// An index that would pay.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IndexSuggestion, example = json!({
    "name": "idx_leads_tenant_id_company_5d1c0a2f", "table": "leads",
    "statement": "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_leads_tenant_id_company_5d1c0a2f ON leads (tenant_id, company)",
    "savedMs": 48_210.0, "writeMs": 310.0, "gainMs": 47_900.0, "bytes": 9_400_000.0,
    "serves": [{
        "fingerprint": "9ae16a3b2f90404f", "text": "SELECT \"leads\".\"id\" FROM \"leads\"", "savedMs": 48_210.0,
        "ratio": 0.97,
    }],
    "replaces": [], "risks": [],
}))]
pub(super) struct SuggestionView {
    /// By which it is asked for.
    name: String,
    table: String,
    /// What makes it.
    statement: String,
    /// What statements would save in as long a time as was measured,
    saved_ms: f64,
    /// what writes would cost more,
    write_ms: f64,
    /// and what is left of it.
    gain_ms: f64,
    /// How large it would be, by the mean width of its columns.
    bytes: f64,
    /// The statement that saves most first.
    serves: Vec<ServedView>,
    /// Names of indexes that are there and not needed beside it.
    replaces: Vec<String>,
    /// Why it might not pay all the same. `row-security`: its comparisons are not leakproof, so row-level security keeps
    /// it from everybody but a function that owns the table; `writes`: they would cost a quarter or more of what is
    /// saved; `large`: it has a gibibyte or more.
    risks: Vec<&'static str>,
}

/// A statement that an index would serve.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ServedStatement)]
struct ServedView {
    fingerprint: String,
    /// Without values; `null`: it is not known any more.
    #[schema(required = true)]
    text: Option<Box<str>>,
    saved_ms: f64,
    /// Which part of its time that is.
    #[schema(minimum = 0, maximum = 1)]
    ratio: f64,
}

impl SuggestionView {
    pub(super) fn new(advice: &IndexAdvice, services: &Services) -> Self {
        let served = |served: &Served| ServedView {
            text: Fingerprint::parse(&served.fingerprint)
                .and_then(|fingerprint| services.statements.text(fingerprint)),
            fingerprint: served.fingerprint.clone(),
            saved_ms: served.saved_ms,
            ratio: served.share,
        };
        let risk = |risk: &Risk| match risk {
            Risk::RowSecurity => "row-security",
            Risk::Writes => "writes",
            Risk::Large => "large",
        };
        Self {
            name: advice.index.name(),
            table: advice.index.table.clone(),
            statement: advice.statement(),
            saved_ms: advice.saved_ms,
            write_ms: advice.write_ms,
            gain_ms: advice.saved_ms - advice.write_ms,
            bytes: advice.bytes,
            serves: advice.serves.iter().map(served).collect(),
            replaces: advice.replaces.clone(),
            risks: advice.risks.iter().map(risk).collect(),
        }
    }
}
