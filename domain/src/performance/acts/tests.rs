use super::*;
use crate::performance::index_advice::Costs;

fn means(calls: f64, mean_ms: f64) -> Means {
    Means { calls, mean_ms }
}

/// One that pays, by all that is known.
fn watched() -> Watched {
    Watched {
        costs: Costs {
            before: 1_000.0,
            after: 10.0,
        },
        reads_before: means(100.0, 20.0),
        reads: means(100.0, 2.0),
        writes_before: means(100.0, 1.0),
        writes: means(100.0, 1.1),
    }
}

fn is_kept(watched: &Watched) -> bool {
    matches!(judge(watched), Verdict::Kept(_))
}

#[test]
fn an_index_stays_that_makes_its_statements_faster() {
    assert_eq!(
        judge(&watched()),
        Verdict::Kept("its statements took 2.00 ms instead of 20.00 ms".to_owned())
    );
}

#[test]
fn an_index_goes_that_the_planner_does_not_take_whatever_was_measured() {
    let costs = Costs {
        before: 1_000.0,
        after: 999.0,
    };
    assert!(!is_kept(&Watched { costs, ..watched() }));
}

#[test]
fn an_index_goes_whose_statements_are_not_faster() {
    for mean_ms in [18.5, 20.0, 40.0] {
        let reads = means(100.0, mean_ms);
        assert!(!is_kept(&Watched { reads, ..watched() }), "{mean_ms}");
    }
}

#[test]
fn an_index_goes_that_costs_writes_more_than_it_gains() {
    // 18 ms are gained 100 times.
    for (calls, mean_ms, stays) in [(1_000.0, 2.0, true), (2_000.0, 2.0, false), (100.0, 30.0, false)] {
        let writes = means(calls, mean_ms);
        assert_eq!(
            is_kept(&Watched { writes, ..watched() }),
            stays,
            "{calls} x {mean_ms}"
        );
    }
}

#[test]
fn what_was_sent_too_seldom_is_left_to_the_planner() {
    let slower = means(5.0, 500.0);
    let Verdict::Kept(why) = judge(&Watched {
        reads: slower,
        ..watched()
    }) else {
        panic!("five calls have decided");
    };
    assert!(why.contains("5 times since, which is too seldom"), "{why}");
    assert!(is_kept(&Watched {
        writes: means(5.0, 900.0),
        ..watched()
    }));
    assert!(is_kept(&Watched {
        reads_before: means(0.0, 0.0),
        ..watched()
    }));
}

#[test]
fn a_deed_is_read_as_it_was_written() {
    let index = NewIndex {
        name: "idx_leads_company".to_owned(),
        table: "leads".to_owned(),
        definition: "leads (tenant_id, company)".to_owned(),
        serves: vec![StatementText {
            fingerprint: "9ae16a3b2f90404f".to_owned(),
            text: "SELECT 1".to_owned(),
        }],
    };
    let vacuum = Deed::Vacuum {
        table: "leads".to_owned(),
    };
    let release = Deed::ReleaseMemory {
        process: "node-1".to_owned(),
        relief: Relief::Caches,
    };
    for deed in [vacuum, Deed::BuildIndex(index), release] {
        let text = serde_json::to_string(&deed).unwrap();
        assert!(text.contains(&format!("\"kind\":\"{}\"", deed.kind())), "{text}");
        assert_eq!(serde_json::from_str::<Deed>(&text).unwrap(), deed);
    }
    for state in ActState::ALL {
        assert_eq!(ActState::parse(state.as_str()), Some(state));
    }
}

#[test]
fn the_less_memory_is_left_the_more_is_given_back() {
    const GIB: u64 = 1 << 30;
    let due = |percent: u64| Relief::due(GIB / 100 * percent, GIB);
    assert_eq!(
        [0, 80, 84, 86, 89, 91, 94, 96, 120].map(due),
        [
            None,
            None,
            None,
            Some(Relief::Caches),
            Some(Relief::Caches),
            Some(Relief::Connections),
            Some(Relief::Connections),
            Some(Relief::Emergency),
            Some(Relief::Emergency),
        ]
    );
    assert_eq!(Relief::due(GIB, 0), None, "nothing follows from no limit");
}
