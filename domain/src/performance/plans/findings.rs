use std::collections::BTreeMap;

use super::{Analysed, PlanNode};
use crate::performance::statistics::real_u64;

/// What matters of a table to those who read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// As of its last ANALYZE; `None` before the first.
    pub rows: Option<u64>,
    /// It has rows of tenants, of which row-level security shows those of one.
    pub is_of_tenants: bool,
}

/// Something that is wrong with a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// A large table is gone through from its beginning to its end.
    SequentialScan { relation: String, rows: f64 },
    /// Rows are sorted, or kept for a join, on disk: so many bytes have no room in memory. `is_believed`: it was not run.
    Spill {
        step: String,
        bytes: f64,
        is_believed: bool,
    },
    /// There were more or fewer rows than was believed: plans are made for other ones.
    Misestimate {
        step: String,
        believed: f64,
        actual: f64,
    },
    /// Something that takes long is done again for each of many rows.
    NestedLoop { loops: f64, inner: String, cost: f64 },
    /// A condition that an index might answer is only a filter, because it is not leakproof: row-level security is looked at
    /// first, so no index is searched by it.
    NotLeakproof { relation: String, condition: String },
    /// Rows of tenants are read, and nothing but row-level security says of which: the planner does not know the tenant.
    MissingTenant { relation: String },
}

/// How much a statement is believed to cost, before it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CostClass {
    /// Some hundred pages: fit for every request.
    Low,
    /// Some ten thousand: fit for a request now and then.
    Medium,
    /// Some hundred thousand: for reports.
    High,
    /// More: for nobody who waits.
    Extreme,
}

impl CostClass {
    pub fn of(cost: f64) -> Self {
        match cost {
            cost if cost < 1_000.0 => Self::Low,
            cost if cost < 50_000.0 => Self::Medium,
            cost if cost < 1_000_000.0 => Self::High,
            _ => Self::Extreme,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Extreme => "extreme",
        }
    }
}

/// A table of fewer rows is sooner gone through than searched.
const MANY_ROWS: f64 = 10_000.0;
/// An estimate that is off by this factor leads to another plan, unless all that is about few rows.
const OFF: f64 = 10.0;
const FEW_ROWS: f64 = 1_000.0;
/// So many loops of something that costs as much are a blow-up, if they are a good part of all that the statement costs.
const MANY_LOOPS: f64 = 100.0;
const COSTLY: f64 = 10_000.0;
const GOOD_PART: f64 = 0.3;

/// Operators that are not leakproof: of patterns, words, documents and arrays. Functions are none of them, either.
const LEAKING: [&str; 12] = [
    " ~~ ", " ~~* ", " !~~ ", " ~ ", " ~* ", " @@ ", " @> ", " <@ ", " ? ", " -> ", " ->> ", " && ",
];

/// Tells what is wrong with a plan, those first that are found highest in it.
pub fn findings(analysed: &Analysed) -> Vec<Finding> {
    let nodes = analysed.plan.nodes();
    let whole = analysed.plan.root.total_cost;
    let mut found = Vec::new();
    for node in &nodes {
        found.extend(sequential_scan(node, &analysed.tables));
        found.extend(spill(node, analysed.work_bytes));
        found.extend(misestimate(node));
        found.extend(nested_loop(node, whole));
        found.extend(not_leakproof(node, &analysed.tables));
    }
    if !analysed.compares_tenant {
        let of_tenants = analysed.tables.iter().filter(|(_, facts)| facts.is_of_tenants);
        found.extend(of_tenants.map(|(relation, _)| Finding::MissingTenant {
            relation: relation.clone(),
        }));
    }
    found
}

fn sequential_scan(node: &PlanNode, tables: &BTreeMap<String, TableFacts>) -> Option<Finding> {
    let relation = node.relation.as_ref().filter(|_| node.kind == "Seq Scan")?;
    let known = tables.get(relation).and_then(|facts| facts.rows).map(real_u64);
    let rows = node.rows_read().or(known).unwrap_or(node.rows);
    (rows >= MANY_ROWS).then(|| Finding::SequentialScan {
        relation: relation.clone(),
        rows,
    })
}

fn spill(node: &PlanNode, work_bytes: u64) -> Option<Finding> {
    let found = |bytes, is_believed| Finding::Spill {
        step: node.kind.clone(),
        bytes,
        is_believed,
    };
    if let Some(sorting) = &node.sorting {
        return sorting.is_on_disk.then(|| found(real_u64(sorting.bytes), false));
    }
    let needed = node.rows * real_u64(node.row_bytes);
    if let Some(batches) = node.hash_batches {
        return (batches > 1).then(|| found(needed, false));
    }
    let keeps = matches!(node.kind.as_str(), "Sort" | "Hash");
    (keeps && node.actual.is_none() && needed > real_u64(work_bytes)).then(|| found(needed, true))
}

fn misestimate(node: &PlanNode) -> Option<Finding> {
    let actual = node.actual.filter(|actual| actual.loops > 0.0)?;
    let (more, fewer) = (actual.rows.max(node.rows), actual.rows.min(node.rows).max(1.0));
    (more >= FEW_ROWS && more / fewer >= OFF).then(|| Finding::Misestimate {
        step: name(node),
        believed: node.rows,
        actual: actual.rows,
    })
}

fn nested_loop(node: &PlanNode, whole: f64) -> Option<Finding> {
    if node.kind != "Nested Loop" {
        return None;
    }
    let mut own = node.children.iter().filter(|child| {
        child
            .part_of
            .as_ref()
            .is_none_or(|part| !part.starts_with("InitPlan") && !part.starts_with("CTE"))
    });
    let (outer, inner) = (own.next()?, own.next()?);
    // What is kept is not made again.
    if inner.kind == "Materialize" || inner.kind == "Memoize" {
        return None;
    }
    let loops = inner.actual.map_or(outer.rows, |actual| actual.loops);
    let cost = loops * inner.total_cost;
    let blows_up = loops >= MANY_LOOPS && cost >= COSTLY && cost >= GOOD_PART * whole;
    blows_up.then(|| Finding::NestedLoop {
        loops,
        inner: name(inner),
        cost,
    })
}

fn not_leakproof(node: &PlanNode, tables: &BTreeMap<String, TableFacts>) -> Option<Finding> {
    let relation = node.relation.as_ref()?;
    let filter = node.filter.as_ref()?;
    let is_of_tenants = tables.get(relation).is_some_and(|facts| facts.is_of_tenants);
    let compared = without_texts(filter);
    let leaks = LEAKING.iter().any(|operator| compared.contains(operator)) || calls(&compared);
    (is_of_tenants && leaks).then(|| Finding::NotLeakproof {
        relation: relation.clone(),
        condition: filter.clone(),
    })
}

/// A condition without the texts that it compares with, in which anything may stand.
fn without_texts(condition: &str) -> String {
    // A quote within a text is doubled, and so ends one text and begins another.
    condition.split('\'').step_by(2).collect::<Vec<_>>().join("''")
}

/// Whether a condition calls a function: a name stands right before a parenthesis. `ANY (` has a space between.
fn calls(condition: &str) -> bool {
    let bytes = condition.as_bytes();
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    bytes.windows(2).any(|pair| is_name(pair[0]) && pair[1] == b'(')
}

fn name(node: &PlanNode) -> String {
    match &node.relation {
        Some(relation) => format!("{} on {relation}", node.kind),
        None => node.kind.clone(),
    }
}
