use std::collections::BTreeSet;

/// What the server means to do, or has done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub root: PlanNode,
    pub planning_ms: Option<f64>,
    /// `None`: it was only planned.
    pub execution_ms: Option<f64>,
}

/// A step of a plan, with the steps that it takes its rows from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanNode {
    /// As PostgreSQL calls it: `Seq Scan`.
    pub kind: String,
    pub schema: Option<String>,
    pub relation: Option<String>,
    /// By which name the statement knows the relation.
    pub alias: Option<String>,
    pub index: Option<String>,
    pub function: Option<String>,
    /// Inner, left, anti and so on.
    pub join: Option<String>,
    /// Of a step that is none of its parent's own: `InitPlan 1 (returns $0)`, `CTE recent`.
    pub part_of: Option<String>,
    /// In the planner's unit: to read a page one after the other. Until the first row, and until the last.
    pub startup_cost: f64,
    pub total_cost: f64,
    /// Returned, as is believed.
    pub rows: f64,
    pub row_bytes: u64,
    pub actual: Option<Actual>,
    /// What an index is searched by,
    pub index_condition: Option<String>,
    /// and by what rows are left out once they were read.
    pub filter: Option<String>,
    pub sort_key: Vec<String>,
    pub sorting: Option<Sorting>,
    /// In how many parts a hash table was made, because it had no room.
    pub hash_batches: Option<u64>,
    pub children: Vec<PlanNode>,
}

/// What a step has done, when it was run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Actual {
    /// How often it was begun.
    pub loops: f64,
    /// Returned, and left out by the filter: by each time on average.
    pub rows: f64,
    pub removed: f64,
    /// Of all times together, with what it took its rows from.
    pub total_ms: f64,
}

/// How rows were sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sorting {
    /// `quicksort`, `external merge`.
    pub method: String,
    pub bytes: u64,
    pub is_on_disk: bool,
}

impl Plan {
    /// Every step, each before those that it takes its rows from.
    pub fn nodes(&self) -> Vec<&PlanNode> {
        let mut all = Vec::new();
        let mut left = vec![&self.root];
        while let Some(node) = left.pop() {
            all.push(node);
            left.extend(node.children.iter().rev());
        }
        all
    }

    /// The tables that are read.
    pub fn relations(&self) -> BTreeSet<&str> {
        let nodes = self.nodes().into_iter();
        nodes.filter_map(|node| node.relation.as_deref()).collect()
    }
}

impl PlanNode {
    /// How many rows it goes through: as it has, or as is believed. What a filter leaves out is not known before it is run.
    pub(super) fn rows_read(&self) -> Option<f64> {
        self.actual
            .map(|actual| (actual.rows + actual.removed) * actual.loops)
    }
}
