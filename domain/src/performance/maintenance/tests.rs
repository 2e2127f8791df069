use proptest::prelude::*;

use super::*;

fn table(name: &str) -> TableState {
    TableState {
        name: name.to_owned(),
        live_rows: 100_000,
        is_analysed: true,
        age: 1_000,
        bytes: 100_000_000,
        ..TableState::default()
    }
}

fn names(found: &[Maintenance]) -> Vec<&str> {
    found.iter().map(|found| found.table.as_str()).collect()
}

#[test]
fn tables_are_due_for_what_they_need_the_most_pressing_first() {
    let dead = TableState {
        dead_rows: 25_000,
        ..table("dead")
    };
    let deader = TableState {
        dead_rows: 100_000,
        ..table("deader")
    };
    let stale = TableState {
        changed_rows: 6_000,
        ..table("stale")
    };
    let old = TableState {
        age: 150_000_000,
        ..table("old")
    };
    let unknown = TableState {
        is_analysed: false,
        ..table("unknown")
    };

    let found = due(
        &[dead, stale, table("well"), unknown, old, deader],
        &Due::default(),
    );

    assert_eq!(names(&found), ["old", "deader", "dead", "stale", "unknown"]);
    assert_eq!(found[0].needs, [Need::Freeze { age: 150_000_000 }]);
    assert_eq!(found[1].needs, [Need::Vacuum { dead: 0.5 }]);
    assert!((found[1].dead_bytes - 50_000_000.0).abs() < 1.0);
    assert_eq!(found[3].needs, [Need::Analyse { changed: Some(0.06) }]);
    assert_eq!(found[4].needs, [Need::Analyse { changed: None }]);
    assert!(found[0].is_vacuum() && !found[0].is_analyse() && found[4].is_analyse());
}

#[test]
fn small_changes_of_small_tables_are_nothing() {
    let small = TableState {
        live_rows: 10,
        dead_rows: 900,
        changed_rows: 900,
        is_analysed: false,
        ..table("small")
    };

    assert_eq!(due(&[small, TableState::default()], &Due::default()), []);
}

fn state() -> impl Strategy<Value = TableState> {
    let rows = || 0_u64..1_000_000;
    (rows(), rows(), rows(), any::<bool>(), 0_u64..300_000_000).prop_map(
        |(live_rows, dead_rows, changed_rows, is_analysed, age)| TableState {
            live_rows,
            dead_rows,
            changed_rows,
            is_analysed,
            age,
            ..table("t")
        },
    )
}

proptest! {
    #[test]
    fn what_was_done_is_not_due_again(state in state()) {
        let found = due(std::slice::from_ref(&state), &Due::default());
        let mut after = state;
        for maintenance in &found {
            if maintenance.is_vacuum() {
                (after.dead_rows, after.age) = (0, 0);
            }
            if maintenance.is_analyse() {
                (after.changed_rows, after.is_analysed) = (0, true);
            }
        }
        prop_assert_eq!(due(&[after], &Due::default()), []);
    }

    #[test]
    fn no_more_are_due_at_once_than_may_be(states in proptest::collection::vec(state(), 0..20)) {
        prop_assert!(due(&states, &Due::default()).len() <= 5);
    }
}
