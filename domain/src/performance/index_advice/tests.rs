use std::collections::BTreeSet;

use proptest::prelude::*;

use super::cases::{Case, btree, needed, not_needed, shared, tables, there};
use super::*;
use crate::performance::statistics::real;

fn advised(case: &Case) -> Vec<String> {
    advise(&case.workload)
        .into_iter()
        .map(|advice| advice.index.to_string())
        .collect()
}

/// `cargo nextest run -p fairlead-domain labelled_cases --no-capture` prints the confusion table.
#[test]
fn labelled_cases_are_told_apart() {
    let (needed, not_needed, shared) = (needed(), not_needed(), shared());
    assert!(needed.len() >= 40 && not_needed.len() >= 20);
    let (mut right, mut wrong, mut missed) = (0, 0, 0);
    for case in needed.iter().chain(&not_needed).chain(&shared) {
        let advised = advised(case);
        let is_expected = |index: &&String| case.expected.iter().any(|forms| forms.contains(&index.as_str()));
        let found = advised.iter().filter(is_expected).count();
        if found < case.expected.len() || found < advised.len() {
            println!("{}: {advised:?} and not {:?}", case.name, case.expected);
        }
        right += found;
        wrong += advised.len() - found;
        missed += case.expected.len() - found;
    }
    let silent = not_needed.iter().filter(|case| advised(case).is_empty()).count();
    println!("                 advised   not advised");
    println!("to be advised    {right:7} {missed:13}");
    println!("not              {wrong:7} {silent:13}");
    let (recall, precision) = (
        real(right) / real(right + missed),
        real(right) / real(right + wrong),
    );
    println!("recall {recall:.3}, precision {precision:.3}");
    assert!(recall >= 0.9 && precision >= 0.9);
}

#[test]
fn advice_says_what_it_saves_and_what_it_replaces() {
    let case = shared()
        .into_iter()
        .find(|case| case.name == "what is there does not sort")
        .unwrap();

    let advice = advise(&case.workload);

    let [advice] = &advice[..] else {
        panic!("{advice:?}")
    };
    assert_eq!(advice.replaces, ["by_status"]);
    assert_eq!(advice.serves.len(), 1);
    // Of ten thousand times 50 ms.
    assert!(advice.saved_ms > 400_000.0 && advice.saved_ms < 500_000.0);
    assert!(advice.write_ms > 0.0 && advice.bytes > 1e7);
}

#[test]
fn what_row_level_security_keeps_out_of_an_index_is_a_risk() {
    let risks = |name: &str| {
        let case = needed().into_iter().find(|case| case.name == name).unwrap();
        advise(&case.workload)[0].risks.clone()
    };

    assert_eq!(risks("a part of a company's name"), [Risk::RowSecurity]);
    assert_eq!(risks("by e-mail, however it is written"), [Risk::RowSecurity]);
    assert_eq!(risks("by e-mail"), []);
    assert_eq!(risks("a session"), []);
}

#[test]
fn names_are_written_as_sql_needs_them() {
    let index = btree("leads", "tenant_id, order, Odd\"Name");

    assert_eq!(index.to_string(), "leads (tenant_id, \"order\", \"Odd\"\"Name\")");
}

#[test]
fn indexes_that_do_not_pay_are_found() {
    let unused = |name: &str, index| ExistingIndex {
        scans: Some(0),
        ..there(name, index)
    };
    let existing = [
        there("leads_key", btree("leads", "tenant_id, id")),
        there("status", btree("leads", "tenant_id, status")),
        there(
            "status_created",
            btree("leads", "tenant_id, status, created_at desc"),
        ),
        there("again", btree("leads", "tenant_id, status, created_at desc")),
        unused("phone", btree("leads", "tenant_id, phone")),
        unused("email_key", btree("leads", "tenant_id, email")),
        ExistingIndex {
            is_invalid: true,
            ..there("broken", btree("leads", "tenant_id, zip_code"))
        },
        there("source", btree("leads", "tenant_id, source")),
    ];

    let found = findings(&existing, 40);

    let name = |name: &str| name.to_owned();
    assert_eq!(
        found,
        [
            IndexFinding::Redundant {
                name: name("status"),
                beside: name("status_created")
            },
            IndexFinding::Duplicate {
                name: name("again"),
                of: name("status_created")
            },
            IndexFinding::Unused {
                name: name("phone"),
                days: 40
            },
            IndexFinding::Invalid { name: name("broken") },
        ]
    );
    assert!(!findings(&existing, 7).iter().any(|found| found.name() == "phone"));
}

fn shape() -> impl Strategy<Value = Shape> {
    let cases: Vec<Shape> = needed()
        .into_iter()
        .flat_map(|case| case.workload.shapes)
        .collect();
    (proptest::sample::select(cases), 1.0_f64..1e5, 0.1_f64..200.0).prop_map(|(shape, calls, mean_ms)| {
        Shape {
            fingerprint: format!("{calls}"),
            calls,
            mean_ms,
            ..shape
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_advised_is_new_pays_and_is_not_advised_again(shapes in proptest::collection::vec(shape(), 1..6)) {
        let mut workload = Workload { tables: tables(), shapes, existing: Vec::new() };
        let advice = advise(&workload);

        let mut seen = BTreeSet::new();
        for advice in &advice {
            prop_assert!(seen.insert(advice.index.to_string()));
            prop_assert!(advice.saved_ms > advice.write_ms && !advice.serves.is_empty());
            let other = advice_of(&workload, &advice.index);
            prop_assert!(!other, "one is the beginning of another");
        }
        let total: f64 = workload.shapes.iter().map(|shape| shape.calls * shape.mean_ms).sum();
        prop_assert!(advice.iter().map(|advice| advice.saved_ms).sum::<f64>() <= total * (1.0 + 1e-9));

        // Once they are there, there is nothing to be added but to what was more than is advised at once.
        for (at, advice) in advice.iter().enumerate() {
            workload.existing.push(there(&format!("i{at}"), advice.index.clone()));
        }
        let again = advise(&workload);
        for advice in &again {
            prop_assert!(!seen.contains(&advice.index.to_string()));
        }
    }

    #[test]
    fn the_order_in_which_statements_are_told_does_not_matter(mut shapes in proptest::collection::vec(shape(), 1..6)) {
        let names = |shapes: &[Shape]| -> BTreeSet<String> {
            let workload = Workload { tables: tables(), shapes: shapes.to_vec(), existing: Vec::new() };
            advise(&workload).into_iter().map(|advice| advice.index.to_string()).collect()
        };
        let one = names(&shapes);
        shapes.reverse();

        prop_assert_eq!(one, names(&shapes));
    }
}

/// Whether another advised index does what this one does.
fn advice_of(workload: &Workload, index: &Index) -> bool {
    let others = advise(workload);
    others
        .iter()
        .any(|other| other.index != *index && other.index.replaces(index))
}

#[test]
fn an_index_has_a_name_of_its_own_that_postgresql_takes_whole() {
    let plain = btree("leads", "tenant_id, status");
    let partial = Index {
        only: vec!["done".to_owned()],
        ..plain.clone()
    };

    assert!(
        plain.name().starts_with("idx_leads_tenant_id_status_"),
        "{}",
        plain.name()
    );
    assert_ne!(plain.name(), partial.name());
    assert_eq!(plain.name(), plain.clone().name());
    let long = btree(&"t".repeat(100), "tenant_id");
    assert_eq!(long.name().len(), 63);
}

#[test]
fn what_is_advised_becomes_a_step_of_the_schema_with_its_evidence() {
    let case = shared()
        .into_iter()
        .find(|case| case.name == "what is there does not sort")
        .unwrap();
    let advice = advise(&case.workload);
    let now = time::macros::datetime!(2026-11-23 07:05:09 UTC);

    let step = migration(&advice, std::time::Duration::from_mins(90), now);

    let name = advice[0].index.name();
    assert_eq!(step.name, "m20261123_070509_advised_indexes");
    assert!(
        step.up
            .contains(&format!("\nCREATE INDEX IF NOT EXISTS {name} ON leads (")),
        "{}",
        step.up
    );
    assert!(step.up.contains("within 1.5 hours until 2026-11-23") && step.up.contains("-- Statement q: "));
    assert!(
        step.up.contains("Not needed beside it any more: by_status."),
        "{}",
        step.up
    );
    assert!(step.down.ends_with(&format!("DROP INDEX IF EXISTS {name};\n")));
    assert!(step.ahead[0].starts_with("CREATE INDEX CONCURRENTLY IF NOT EXISTS "));
    assert_eq!(
        step.ahead_of_down,
        [format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")]
    );
    // Each line but the statements is a comment, so it is one text for the server.
    let is_comment = |line: &str| line.is_empty() || line.starts_with("--");
    assert_eq!(
        step.up.lines().filter(|line| !is_comment(line)).count(),
        advice.len()
    );
}

#[test]
fn the_planner_verifies_what_saves_a_good_part() {
    let costs = |after| Costs { before: 100.0, after };
    assert_eq!(Verification::of(costs(60.0)), Verification::Verified(costs(60.0)));
    assert_eq!(Verification::of(costs(90.0)), Verification::Refuted(costs(90.0)));
    assert_eq!(
        Verification::of(costs(100.0)),
        Verification::Refuted(costs(100.0))
    );
}
