//! Plans as the server writes them in JSON.

use fairlead_domain::performance::plans::{Actual, Plan, PlanNode, Sorting};
use serde_json::Value;

/// Reads what EXPLAIN has answered; `None`: it is none of its answers.
pub(super) fn plan(answer: &Value) -> Option<Plan> {
    let answer = answer.get(0)?;
    let number = |name: &str| answer.get(name).and_then(Value::as_f64);
    Some(Plan {
        root: node(answer.get("Plan")?)?,
        planning_ms: number("Planning Time"),
        execution_ms: number("Execution Time"),
    })
}

fn node(of: &Value) -> Option<PlanNode> {
    let text = |name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| of.get(name).and_then(Value::as_f64);
    let whole = |name: &str| of.get(name).and_then(Value::as_u64);
    let list = |name: &str| of.get(name).and_then(Value::as_array).into_iter().flatten();
    let actual = number("Actual Loops").map(|loops| Actual {
        loops,
        rows: number("Actual Rows").unwrap_or_default(),
        removed: number("Rows Removed by Filter").unwrap_or_default(),
        total_ms: number("Actual Total Time").unwrap_or_default() * loops,
    });
    let sorting = text("Sort Method").map(|method| Sorting {
        method,
        bytes: whole("Sort Space Used").unwrap_or_default() * 1_024,
        is_on_disk: of.get("Sort Space Type").and_then(Value::as_str) == Some("Disk"),
    });
    Some(PlanNode {
        kind: text("Node Type")?,
        schema: text("Schema"),
        relation: text("Relation Name"),
        alias: text("Alias"),
        index: text("Index Name"),
        function: text("Function Name"),
        join: text("Join Type"),
        part_of: text("Subplan Name"),
        startup_cost: number("Startup Cost")?,
        total_cost: number("Total Cost")?,
        rows: number("Plan Rows")?,
        row_bytes: whole("Plan Width")?,
        actual,
        index_condition: text("Index Cond"),
        filter: text("Filter"),
        sort_key: list("Sort Key")
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        sorting,
        hash_batches: whole("Hash Batches"),
        children: list("Plans").map(node).collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_is_read_with_what_was_done() {
        let answer = json!([{
            "Plan": {
                "Node Type": "Sort", "Startup Cost": 1.5, "Total Cost": 2.0, "Plan Rows": 10, "Plan Width": 8,
                "Actual Total Time": 0.5, "Actual Rows": 4, "Actual Loops": 2, "Sort Key": ["id"],
                "Sort Method": "external merge", "Sort Space Used": 3, "Sort Space Type": "Disk",
                "Plans": [{
                    "Node Type": "Seq Scan", "Schema": "public", "Relation Name": "leads", "Startup Cost": 0.0,
                    "Total Cost": 1.0, "Plan Rows": 10, "Plan Width": 8, "Filter": "(a = 1)",
                }],
            },
            "Planning Time": 0.2, "Execution Time": 1.1,
        }]);

        let plan = plan(&answer).unwrap();

        assert_eq!((plan.planning_ms, plan.execution_ms), (Some(0.2), Some(1.1)));
        let actual = plan.root.actual.unwrap();
        assert!((actual.total_ms - 1.0).abs() < 1e-9 && (actual.rows - 4.0).abs() < 1e-9);
        let sorting = plan.root.sorting.as_ref().unwrap();
        assert!(sorting.is_on_disk && sorting.bytes == 3_072);
        assert_eq!(plan.relations(), ["leads"].into());
        assert_eq!(super::plan(&json!([{}])), None);
    }
}
