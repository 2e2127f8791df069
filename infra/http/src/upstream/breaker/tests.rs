use std::thread::sleep;

use time::macros::datetime;

use super::*;

#[derive(Debug)]
struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        datetime!(2026-11-22 12:00:00 UTC)
    }
}

const RECOVERY: Duration = Duration::from_millis(40);

fn breaker() -> Breaker {
    breaker_with(Duration::from_mins(1), Duration::from_mins(1))
}

fn breaker_with(window: Duration, probe_timeout: Duration) -> Breaker {
    let settings = BreakerSettings {
        failures: 5,
        window,
        recovery: RECOVERY,
        probe_timeout,
    };
    Breaker::new("test", settings, Arc::new(FixedClock))
}

fn fail(breaker: &Breaker, times: usize) {
    for _ in 0..times {
        breaker.admit().unwrap().fail();
    }
}

fn until_half_open() {
    sleep(RECOVERY + Duration::from_millis(5));
}

#[test]
fn the_fifth_failure_within_the_time_opens_it_whatever_was_well_meanwhile() {
    let breaker = breaker();

    fail(&breaker, 4);
    breaker.admit().unwrap().succeed();
    assert_eq!(breaker.standing().state, BreakerState::Closed);
    assert_eq!(breaker.standing().failures, 4);
    fail(&breaker, 1);

    let standing = breaker.standing();
    assert_eq!((standing.state, standing.opened), (BreakerState::Open, 1));
    assert_eq!(standing.next_probe, Some(FixedClock.now() + RECOVERY));
    assert!(breaker.admit().is_none());
}

#[test]
fn failures_that_are_too_far_apart_do_not_open_it() {
    let breaker = breaker_with(Duration::from_millis(20), Duration::from_mins(1));

    fail(&breaker, 4);
    sleep(Duration::from_millis(25));
    fail(&breaker, 4);

    assert_eq!(breaker.standing().state, BreakerState::Closed);
    assert_eq!(breaker.standing().failures, 4);
}

#[test]
fn one_call_at_a_time_finds_out_whether_it_is_back() {
    let breaker = breaker();
    fail(&breaker, 5);
    until_half_open();

    let probe = breaker.admit().unwrap();
    assert!(probe.is_probe());
    assert!((0..50).all(|_| breaker.admit().is_none()));
    assert_eq!(breaker.standing().state, BreakerState::HalfOpen);
    probe.fail();
    assert_eq!(breaker.standing().state, BreakerState::Open);

    until_half_open();
    breaker.admit().unwrap().succeed();
    assert_eq!(breaker.standing().state, BreakerState::Closed);
    assert_eq!(breaker.standing().failures, 0);
    assert!(!breaker.admit().unwrap().is_probe());
}

#[test]
fn a_probe_that_is_given_up_leaves_its_permit_to_the_next() {
    let breaker = breaker();
    fail(&breaker, 5);
    until_half_open();

    drop(breaker.admit().unwrap());

    assert!(breaker.admit().is_some());
}

#[test]
fn a_probe_that_never_ends_expires_and_is_not_listened_to() {
    let breaker = breaker_with(Duration::from_mins(1), Duration::from_millis(10));
    fail(&breaker, 5);
    until_half_open();
    let lost = breaker.admit().unwrap();
    sleep(Duration::from_millis(15));

    let second = breaker.admit().unwrap();
    assert!(!lost.stands() && second.stands());
    lost.succeed();

    assert_eq!(breaker.standing().state, BreakerState::HalfOpen);
    assert!(breaker.admit().is_none(), "the second still has its permit");
}

#[test]
fn a_probe_that_fails_keeps_it_open_for_the_whole_time_however_it_has_opened() {
    let breaker = breaker();
    // Another process opened it, and this one has heard of that at the end.
    breaker.learn_open(Duration::from_millis(1));
    sleep(Duration::from_millis(5));

    breaker.admit().unwrap().fail();
    sleep(Duration::from_millis(10));

    assert_eq!(breaker.standing().state, BreakerState::Open);
    until_half_open();
    assert_eq!(breaker.standing().state, BreakerState::HalfOpen);
}

#[test]
fn calls_that_are_seldom_open_it_never_and_close_it_by_the_first_that_is_well() {
    let window = Duration::from_millis(30);
    let breaker = breaker_with(window, Duration::from_millis(10));

    // Each is the only one within the window, but for one.
    for _ in 0..12 {
        fail(&breaker, 1);
        sleep(window / 2);
        assert_eq!(breaker.standing().state, BreakerState::Closed);
    }
    sleep(window);
    fail(&breaker, 5);
    // Long after it might have been asked, by a call that takes longer than a probe may and that nobody comes after.
    sleep(RECOVERY * 3);
    let seldom = breaker.admit().unwrap();
    sleep(Duration::from_millis(20));
    seldom.succeed();

    let standing = breaker.standing();
    assert_eq!((standing.state, standing.failures), (BreakerState::Closed, 0));
}

#[test]
fn a_call_that_finds_out_in_anybodys_turn_tells_that_it_does() {
    let breaker = breaker();
    fail(&breaker, 5);
    until_half_open();
    breaker.give_turn(ProbeTurn::Anybodys);
    assert!(!breaker.standing().awaits_turn);

    let _probe = breaker.admit().unwrap();

    assert!(breaker.standing().awaits_turn);
}

#[test]
fn what_was_begun_before_it_opened_says_nothing_about_the_service_as_it_is_now() {
    let breaker = breaker();
    let [early, late] = [(); 2].map(|()| breaker.admit().unwrap());
    fail(&breaker, 5);
    assert!(!early.stands());

    early.succeed();
    assert_eq!(breaker.standing().state, BreakerState::Open);
    until_half_open();
    let _probe = breaker.admit().unwrap();
    late.succeed();

    assert_eq!(breaker.standing().state, BreakerState::HalfOpen);
}

#[test]
fn an_operator_keeps_it_open_whatever_becomes_of_the_service() {
    let breaker = breaker();
    let before = breaker.admit().unwrap();
    let hold = |until| Hold {
        operator: "olga".to_owned(),
        reason: "the provider asked for it".to_owned(),
        since: FixedClock.now(),
        until,
    };

    breaker.hold(hold(None));
    assert!(!before.stands());
    before.succeed();
    assert!(breaker.admit().is_none());
    let standing = breaker.standing();
    assert_eq!((standing.state, standing.next_probe), (BreakerState::Open, None));
    breaker.close();
    assert!(breaker.admit().is_some());

    breaker.hold(hold(Some(FixedClock.now())));
    assert!(breaker.admit().is_some(), "its time is over");
    fail(&breaker, 5);
    breaker.close();
    assert_eq!(breaker.standing().state, BreakerState::Closed);
}

#[test]
fn what_was_begun_before_it_was_closed_says_nothing_either() {
    let breaker = breaker();
    let early: Vec<_> = (0..5).map(|_| breaker.admit().unwrap()).collect();
    breaker.close();

    for call in early {
        assert!(!call.stands());
        call.fail();
    }

    let standing = breaker.standing();
    assert_eq!((standing.state, standing.failures), (BreakerState::Closed, 0));
}

#[test]
fn it_is_half_open_when_its_time_has_come_whether_anybody_calls_or_not() {
    let breaker = breaker();
    fail(&breaker, 5);
    assert!(!breaker.admits());
    until_half_open();

    assert_eq!(breaker.standing().state, BreakerState::HalfOpen);
    assert!(breaker.admits());
    let _probe = breaker.admit().unwrap();
    assert!(!breaker.admits());
}
