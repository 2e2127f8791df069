use std::time::Duration;

use super::*;

fn scan(kind: &str, rows: f64) -> PlanNode {
    PlanNode {
        kind: kind.to_owned(),
        relation: Some("leads".to_owned()),
        rows,
        row_bytes: 100,
        total_cost: 1_000.0,
        ..PlanNode::default()
    }
}

fn over(kind: &str, children: Vec<PlanNode>) -> PlanNode {
    PlanNode {
        kind: kind.to_owned(),
        total_cost: children.iter().map(|child| child.total_cost).sum::<f64>(),
        children,
        ..PlanNode::default()
    }
}

fn ran(loops: f64, rows: f64, removed: f64) -> Actual {
    Actual {
        loops,
        rows,
        removed,
        total_ms: 1.0,
    }
}

fn of(root: PlanNode) -> Vec<Finding> {
    let facts = TableFacts {
        rows: Some(200_000),
        is_of_tenants: true,
    };
    findings(&Analysed {
        plan: Plan {
            root,
            planning_ms: None,
            execution_ms: None,
        },
        tables: [("leads".to_owned(), facts)].into(),
        compares_tenant: true,
        work_bytes: 4_194_304,
        took: Duration::ZERO,
    })
}

#[test]
fn a_large_table_that_is_gone_through_is_found_and_a_small_part_of_one_is_not() {
    let all = of(scan("Seq Scan", 3.0));
    assert_eq!(
        all,
        [Finding::SequentialScan {
            relation: "leads".to_owned(),
            rows: 200_000.0,
        }]
    );
    assert_eq!(of(scan("Index Scan", 3.0)), []);
    // It ended early.
    let ended = PlanNode {
        actual: Some(ran(1.0, 3.0, 500.0)),
        ..scan("Seq Scan", 3.0)
    };
    assert_eq!(of(ended), []);
}

#[test]
fn what_has_no_room_in_memory_is_found_before_and_after_it_is_run() {
    let sort = |rows| PlanNode {
        rows,
        row_bytes: 100,
        ..over("Sort", vec![scan("Index Scan", rows)])
    };
    assert_eq!(of(sort(10_000.0)), []);
    assert!(matches!(
        of(sort(100_000.0))[..],
        [Finding::Spill {
            is_believed: true,
            ..
        }]
    ));

    let sorting = |is_on_disk| PlanNode {
        actual: Some(ran(1.0, 100_000.0, 0.0)),
        sorting: Some(Sorting {
            method: "external merge".to_owned(),
            bytes: 9_000_000,
            is_on_disk,
        }),
        ..sort(100_000.0)
    };
    assert!(matches!(
        of(sorting(true))[..],
        [Finding::Spill { is_believed: false, bytes, .. }] if bytes > 8e6
    ));
    assert_eq!(of(sorting(false)), []);

    let hash = |batches| PlanNode {
        hash_batches: Some(batches),
        ..over("Hash", vec![scan("Index Scan", 10.0)])
    };
    assert_eq!((of(hash(1)).len(), of(hash(8)).len()), (0, 1));
}

#[test]
fn estimates_that_are_far_off_are_found_where_it_matters() {
    let off = |believed, actual| PlanNode {
        actual: Some(ran(1.0, actual, 0.0)),
        ..scan("Index Scan", believed)
    };
    assert!(matches!(of(off(5.0, 5_000.0))[..], [Finding::Misestimate { .. }]));
    assert!(matches!(of(off(5_000.0, 5.0))[..], [Finding::Misestimate { .. }]));
    assert_eq!(of(off(1.0, 900.0)), []);
    assert_eq!(of(off(1_000.0, 5_000.0)), []);
}

#[test]
fn a_nested_loop_over_something_dear_is_found() {
    let joined = |inner: PlanNode| PlanNode {
        total_cost: 1_001_000.0,
        ..over("Nested Loop", vec![scan("Index Scan", 1_000.0), inner])
    };
    let blow_up = of(joined(scan("Index Scan", 1.0)));
    assert!(
        matches!(&blow_up[..], [Finding::NestedLoop { loops, .. }] if *loops >= 1_000.0),
        "{blow_up:?}"
    );
    // What is kept is not made again, and what is cheap may be.
    let kept = over("Materialize", vec![scan("Index Scan", 1.0)]);
    assert_eq!(of(joined(kept)), []);
    let cheap = PlanNode {
        total_cost: 0.4,
        ..scan("Index Scan", 1.0)
    };
    assert_eq!(of(joined(cheap)), []);
}

#[test]
fn conditions_that_row_security_keeps_out_of_an_index_are_found() {
    let filtered = |filter: &str| PlanNode {
        filter: Some(filter.to_owned()),
        ..scan("Index Scan", 10.0)
    };
    for leaking in [
        "(leads.name ~~ '%ann%'::text)",
        "(lower(leads.name) = 'ann'::text)",
        "(leads.custom_fields @> '{}'::jsonb)",
    ] {
        assert!(
            matches!(of(filtered(leaking))[..], [Finding::NotLeakproof { .. }]),
            "{leaking}"
        );
    }
    for tight in [
        "(leads.status = 'NEW'::text)",
        "(leads.status = ANY ('{NEW,CONTACTED}'::text[]))",
        "(leads.company = 'a ~~ b(c) ''d'' -> e'::text)",
        "((leads.quality_score > 3) AND (leads.company IS NOT NULL))",
    ] {
        assert_eq!(of(filtered(tight)), [], "{tight}");
    }
}

#[test]
fn a_statement_that_leaves_the_tenant_to_row_security_is_told_so() {
    let facts = |is_of_tenants| TableFacts {
        rows: Some(10),
        is_of_tenants,
    };
    let analysed = Analysed {
        plan: Plan::default(),
        tables: [
            ("leads".to_owned(), facts(true)),
            ("plans".to_owned(), facts(false)),
        ]
        .into(),
        compares_tenant: false,
        work_bytes: 1,
        took: Duration::ZERO,
    };

    assert_eq!(
        findings(&analysed),
        [Finding::MissingTenant {
            relation: "leads".to_owned()
        }]
    );
}

#[test]
fn classes_of_cost_are_in_order() {
    let classes = [1.0, 2_000.0, 60_000.0, 2e6].map(CostClass::of);

    assert!(classes.is_sorted());
    assert_eq!(
        classes.map(CostClass::as_str),
        ["low", "medium", "high", "extreme"]
    );
}
