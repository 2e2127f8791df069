use fairlead_domain::performance::plans::{Actual, Finding, PlanNode, Sorting};
use serde::Serialize;
use utoipa::ToSchema;

/// A step of a plan, with the steps that it takes its rows from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PlanNode)]
pub(super) struct PlanNodeView {
    /// As PostgreSQL calls it: `Index Scan`.
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    relation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    index: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    function: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    join: Option<String>,
    /// Of what is computed apart: `InitPlan 1 (returns $0)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    part_of: Option<String>,
    startup_cost: f64,
    total_cost: f64,
    /// As is believed, of all tenants' statistics.
    estimated_rows: f64,
    #[schema(minimum = 0)]
    row_bytes: u64,
    /// Of one that was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    actual: Option<ActualView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    index_condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    filter: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    sort_key: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sorting: Option<SortingView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, no_recursion)]
    children: Vec<PlanNodeView>,
}

/// What a step has done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PlanActual)]
struct ActualView {
    /// How often it was begun.
    loops: f64,
    /// By each time, on average: returned, and left out by the filter.
    rows: f64,
    removed_rows: f64,
    /// All times together, with what it took its rows from.
    total_ms: f64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PlanSorting)]
struct SortingView {
    method: String,
    #[schema(minimum = 0)]
    bytes: u64,
    is_on_disk: bool,
}

/// Something that is wrong with a plan.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PlanFinding)]
pub(super) struct FindingView {
    /// `sequential-scan`, `spill`, `misestimate`, `nested-loop`, `not-leakproof` or `missing-tenant`.
    kind: &'static str,
    /// The table or the step.
    subject: String,
    detail: String,
    advice: &'static str,
}

impl From<PlanNode> for PlanNodeView {
    fn from(node: PlanNode) -> Self {
        Self {
            kind: node.kind,
            relation: node.relation,
            alias: node.alias,
            index: node.index,
            function: node.function,
            join: node.join,
            part_of: node.part_of,
            startup_cost: node.startup_cost,
            total_cost: node.total_cost,
            estimated_rows: node.rows,
            row_bytes: node.row_bytes,
            actual: node.actual.map(ActualView::from),
            index_condition: node.index_condition,
            filter: node.filter,
            sort_key: node.sort_key,
            sorting: node.sorting.map(SortingView::from),
            children: node.children.into_iter().map(Self::from).collect(),
        }
    }
}

impl From<Actual> for ActualView {
    fn from(actual: Actual) -> Self {
        Self {
            loops: actual.loops,
            rows: actual.rows,
            removed_rows: actual.removed,
            total_ms: actual.total_ms,
        }
    }
}

impl From<Sorting> for SortingView {
    fn from(sorting: Sorting) -> Self {
        Self {
            method: sorting.method,
            bytes: sorting.bytes,
            is_on_disk: sorting.is_on_disk,
        }
    }
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        let (kind, subject, detail, advice) = match finding {
            Finding::SequentialScan { relation, rows } => (
                "sequential-scan",
                relation,
                format!("{rows:.0} rows are gone through"),
                "compare a column that an index begins with, behind tenant_id; index-suggestions tells which would pay",
            ),
            Finding::Spill {
                step,
                bytes,
                is_believed,
            } => (
                "spill",
                step,
                if is_believed {
                    format!("{bytes:.0} bytes are believed to have no room in work_mem")
                } else {
                    format!("{bytes:.0} bytes went to disk")
                },
                "ask for fewer rows or columns, sort by what an index is sorted by, or raise work_mem for this statement",
            ),
            Finding::Misestimate {
                step,
                believed,
                actual,
            } => (
                "misestimate",
                step,
                format!("{believed:.0} rows were believed, {actual:.0} came"),
                "ANALYZE the table; where columns depend on each other, CREATE STATISTICS on them",
            ),
            Finding::NestedLoop { loops, inner, cost } => (
                "nested-loop",
                inner,
                format!("done {loops:.0} times, which is believed to cost {cost:.0}"),
                "give the inner table an index on what is joined by, or have fewer rows come from the outer one",
            ),
            Finding::NotLeakproof { relation, condition } => (
                "not-leakproof",
                relation,
                format!("row-level security is looked at before {condition}, so no index is searched by it"),
                "go through a function that owns the table and compares the tenant itself, as search_leads does",
            ),
            Finding::MissingTenant { relation } => (
                "missing-tenant",
                relation,
                "no condition of the statement compares tenant_id: row-level security alone says whose rows are read".to_owned(),
                "compare tenant_id, so that the planner knows the tenant when it chooses an index",
            ),
        };
        Self {
            kind,
            subject,
            detail,
            advice,
        }
    }
}
