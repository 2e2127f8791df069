use uuid::Uuid;

use super::*;
use crate::Id;
use crate::performance::index_advice::Costs;

fn means(calls: f64, mean_ms: f64) -> Means {
    Means { calls, mean_ms }
}

fn compared(before: (f64, f64), since: (f64, f64)) -> Compared {
    Compared {
        before: means(before.0, before.1),
        since: means(since.0, since.1),
    }
}

fn costs(before: f64, after: f64) -> Costs {
    Costs { before, after }
}

/// One that pays, by all that is known.
fn watched() -> Watched {
    Watched {
        costs: vec![costs(1_000.0, 10.0)],
        reads: vec![compared((100.0, 20.0), (100.0, 2.0))],
        writes: vec![compared((100.0, 1.0), (100.0, 1.1))],
    }
}

fn is_kept(watched: &Watched) -> bool {
    matches!(judge(watched), Verdict::Kept(_))
}

fn with(change: impl FnOnce(&mut Watched)) -> Watched {
    let mut watched = watched();
    change(&mut watched);
    watched
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
    assert!(!is_kept(&with(
        |watched| watched.costs = vec![costs(1_000.0, 999.0)]
    )));
    assert!(!is_kept(&with(|watched| watched.costs = Vec::new())));
}

#[test]
fn one_dear_statement_does_not_hide_that_another_one_is_served() {
    let dear = |watched: &mut Watched| watched.costs.push(costs(1_000_000.0, 1_000_000.0));
    assert!(is_kept(&with(dear)));
}

#[test]
fn an_index_goes_whose_statements_are_not_faster() {
    for mean_ms in [18.5, 20.0, 40.0] {
        let slow = |watched: &mut Watched| watched.reads[0].since.mean_ms = mean_ms;
        assert!(!is_kept(&with(slow)), "{mean_ms}");
    }
}

#[test]
fn what_is_asked_for_more_often_now_decides_nothing() {
    // All together took 4.9 ms on average before, and 5.5 ms since.
    let mixed = with(|watched| {
        watched.reads = vec![
            compared((100.0, 40.0), (100.0, 10.0)),
            compared((900.0, 1.0), (100.0, 1.0)),
        ];
    });
    assert_eq!(
        judge(&mixed),
        Verdict::Kept("its statements took 5.50 ms instead of 20.50 ms".to_owned())
    );
    let useless = with(|watched| {
        watched.reads = vec![
            compared((900.0, 40.0), (100.0, 40.0)),
            compared((100.0, 1.0), (900.0, 1.0)),
        ];
    });
    assert!(!is_kept(&useless));
}

#[test]
fn an_index_goes_that_costs_writes_more_than_it_gains() {
    // 18 ms are gained 100 times.
    for (calls, mean_ms, stays) in [(1_000.0, 2.0, true), (2_000.0, 2.0, false), (100.0, 30.0, false)] {
        let watched = with(|watched| watched.writes[0].since = means(calls, mean_ms));
        assert_eq!(is_kept(&watched), stays, "{calls} x {mean_ms}");
    }
}

#[test]
fn what_was_sent_too_seldom_is_left_to_the_planner() {
    let seldom = with(|watched| watched.reads[0].since = means(5.0, 500.0));
    let Verdict::Kept(why) = judge(&seldom) else {
        panic!("five calls have decided");
    };
    assert!(why.contains("sent too seldom"), "{why}");
    assert!(is_kept(&with(
        |watched| watched.writes[0].since = means(5.0, 900.0)
    )));
    assert!(is_kept(
        &with(|watched| watched.reads[0].before = means(0.0, 0.0))
    ));
}

#[test]
fn an_act_that_waits_again_has_not_ended() {
    let deed = Deed::Vacuum {
        table: "leads".to_owned(),
    };
    let now = time::macros::datetime!(2026-11-24 00:00 UTC);
    let mut act = Act::new(
        Id::from_uuid(Uuid::nil()),
        deed,
        String::new(),
        String::new(),
        now,
    );
    act.end(ActState::Done, "all is well", now);
    act.wait("it could not be noted");
    assert_eq!((act.state, act.ended_at), (ActState::Waiting, None));
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
