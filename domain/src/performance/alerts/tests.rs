use proptest::prelude::*;
use time::ext::NumericalDuration as _;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::*;

const NOON: OffsetDateTime = datetime!(2026-11-22 12:00:00 UTC);

fn rule() -> Rule {
    let timing = Timing {
        hold: 5.minutes(),
        calm: 10.minutes(),
        cooldown: 60.minutes(),
        escalate_after: 30.minutes(),
    };
    Rule::new(
        "response-time",
        Metric::ResponseP95Ms,
        Bad::Above,
        Some(200.0),
        Some(500.0),
        timing,
    )
    .unwrap()
}

/// A watch of [`rule`], and what it told.
#[derive(Debug, Default)]
struct Watched {
    watch: Watch,
    told: Vec<(i64, Notice)>,
    silence: Option<Silence>,
}

impl Watched {
    fn read(&mut self, minute: i64, reading: Reading) {
        let rule = rule();
        let now = NOON + Duration::minutes(minute);
        let verdict = rule.judge(reading);
        let notice = self
            .watch
            .step(&rule.timing, rule.bad(), self.silence.as_ref(), now, verdict);
        self.told.extend(notice.map(|notice| (minute, notice)));
    }

    /// Reads the same value every minute.
    fn hold(&mut self, minutes: std::ops::Range<i64>, value: f64) {
        for minute in minutes {
            self.read(minute, Reading::Value(value));
        }
    }

    fn told(&self) -> Vec<(i64, &'static str, Severity)> {
        let line = |(minute, notice): &(i64, Notice)| (*minute, notice.as_str(), notice.incident().severity);
        self.told.iter().map(line).collect()
    }
}

use Severity::{Critical, Warning};

#[test]
fn an_incident_is_opened_once_escalated_once_and_resolved_once() {
    let mut watched = Watched::default();

    watched.hold(0..4, 150.0);
    watched.hold(4..20, 300.0);
    watched.hold(20..40, 900.0);
    watched.hold(40..50, 300.0);
    watched.hold(50..80, 100.0);

    assert_eq!(
        watched.told(),
        [
            (9, "opened", Warning),
            (25, "escalated", Critical),
            (60, "resolved", Critical),
        ]
    );
    let Notice::Resolved { incident, .. } = &watched.told[2].1 else {
        panic!("resolved")
    };
    assert_eq!((incident.number, incident.worst), (1, 900.0));
    assert_eq!(incident.since, NOON + 4.minutes());
    assert!(watched.watch.incident().is_none());
}

#[test]
fn what_is_bad_for_a_moment_is_no_incident() {
    let mut watched = Watched::default();

    for minute in 0..60 {
        let value = if minute % 5 == 4 { 100.0 } else { 900.0 };
        watched.read(minute, Reading::Value(value));
    }

    assert_eq!(watched.told(), []);
}

#[test]
fn what_was_not_measured_neither_opens_nor_resolves() {
    let mut watched = Watched::default();
    watched.hold(0..4, 300.0);
    watched.read(4, Reading::Missing);
    watched.hold(5..9, 300.0);
    assert_eq!(watched.told(), []);

    watched.hold(9..12, 300.0);
    watched.hold(12..20, 100.0);
    watched.read(20, Reading::Value(f64::NAN));
    watched.hold(21..30, 100.0);

    assert_eq!(watched.told(), [(10, "opened", Warning)]);
}

#[test]
fn what_nobody_watched_is_not_known_to_have_lasted() {
    let mut watched = Watched::default();
    watched.read(0, Reading::Value(300.0));
    watched.read(60, Reading::Value(300.0));
    assert_eq!(watched.told(), []);

    watched.hold(61..66, 300.0);
    watched.read(67, Reading::Value(100.0));
    watched.read(120, Reading::Value(100.0));

    assert_eq!(watched.told(), [(65, "opened", Warning)]);
}

#[test]
fn what_lasts_and_is_not_acknowledged_becomes_critical() {
    let mut watched = Watched::default();
    watched.hold(0..60, 300.0);
    assert_eq!(
        watched.told(),
        [(5, "opened", Warning), (35, "escalated", Critical)]
    );
    assert!(matches!(
        watched.told[1].1,
        Notice::Escalated {
            why: Escalation::Lasting,
            ..
        }
    ));

    let mut watched = Watched::default();
    watched.hold(0..10, 300.0);
    assert!(watched.watch.acknowledge(NOON + 10.minutes()));
    watched.hold(10..60, 300.0);

    assert_eq!(watched.told(), [(5, "opened", Warning)]);
}

#[test]
fn the_next_one_is_not_told_before_the_cooldown_is_over_unless_it_is_worse() {
    let mut watched = Watched::default();
    watched.hold(0..10, 300.0);
    watched.hold(10..21, 100.0);
    watched.hold(21..40, 300.0);
    watched.hold(40..51, 100.0);
    assert_eq!(
        watched.told(),
        [(5, "opened", Warning), (20, "resolved", Warning)]
    );

    // Still bad when the cooldown is over.
    watched.hold(60..85, 300.0);
    assert_eq!(watched.told()[2..], [(80, "opened", Warning)]);

    let mut watched = Watched::default();
    watched.hold(0..10, 300.0);
    watched.hold(10..21, 100.0);
    watched.hold(21..40, 900.0);
    assert_eq!(watched.told()[2..], [(26, "opened", Critical)]);
}

#[test]
fn a_silence_keeps_quiet_and_what_is_still_bad_afterwards_is_told() {
    let silence = Silence::new("ann", "a planned load test", NOON, NOON + 30.minutes()).unwrap();
    let mut watched = Watched {
        silence: Some(silence),
        ..Watched::default()
    };

    watched.hold(0..65, 300.0);

    // It lasts from when somebody could do something about it.
    assert_eq!(
        watched.told(),
        [(30, "opened", Warning), (60, "escalated", Critical)]
    );
    assert_eq!(
        Silence::new("ann", " ", NOON, NOON + 1.hours()),
        Err(WrongSilence::Reason)
    );
    assert_eq!(Silence::new("ann", "why", NOON, NOON), Err(WrongSilence::Time));
    assert_eq!(
        Silence::new("ann", "why", NOON, NOON + 31.days()),
        Err(WrongSilence::Time)
    );
}

#[test]
fn what_comes_and_goes_is_one_incident_in_the_end() {
    let mut watched = Watched::default();

    // Bad for 6 minutes, well for 12, and so on for two hours.
    for minute in 0..240 {
        let is_bad = minute % 18 < 6 && minute < 120;
        watched.read(minute, Reading::Value(if is_bad { 300.0 } else { 100.0 }));
    }

    let opened = watched
        .told
        .iter()
        .filter(|(_, notice)| notice.as_str() == "opened");
    assert!(opened.count() <= 2, "{:?}", watched.told());
    let (_, last) = watched.told.last().unwrap();
    assert_eq!(last.as_str(), "resolved");
    assert!(last.incident().is_flapping);
}

#[test]
fn the_default_rules_and_objectives_make_sense() {
    let rules = default_rules();

    assert_eq!(rules.len(), 16);
    let judge = |key: &str, value| {
        let rule = rules.iter().find(|rule| rule.key == key).unwrap();
        match rule.judge(Reading::Value(value)) {
            Verdict::Bad { severity, .. } => Some(severity),
            _ => None,
        }
    };
    assert_eq!(judge("response-time", 199.0), None);
    assert_eq!(judge("response-time", 201.0), Some(Warning));
    assert_eq!(judge("response-time", 501.0), Some(Critical));
    assert_eq!(judge("cache-hits", 0.85), None);
    assert_eq!(judge("cache-hits", 0.79), Some(Warning));
    assert_eq!(judge("cache-hits", 0.59), Some(Critical));
    assert_eq!(judge("pool-utilisation", 0.91), Some(Critical));
    assert_eq!(judge("breakers", 0.0), None);
    assert_eq!(judge("breakers", 1.0), Some(Warning));
    assert_eq!(default_objectives().len(), 3);
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    let rule = |bad, warning, critical, timing| {
        Rule::new("x", Metric::CpuShare, bad, warning, critical, timing).unwrap_err()
    };
    let usual = Timing::usual();

    assert_eq!(rule(Bad::Above, None, None, usual), WrongRule::NoThreshold);
    assert_eq!(
        rule(Bad::Above, Some(f64::NAN), None, usual),
        WrongRule::Threshold
    );
    assert_eq!(rule(Bad::Above, Some(0.9), Some(0.8), usual), WrongRule::Order);
    assert_eq!(rule(Bad::Below, Some(0.8), Some(0.9), usual), WrongRule::Order);
    let endless = Timing {
        hold: 8.days(),
        ..usual
    };
    assert_eq!(rule(Bad::Above, Some(0.9), None, endless), WrongRule::Timing);
}

fn requests(bad: impl Fn(Duration) -> u64) -> Vec<Requests> {
    let requests = |window: Duration| Requests {
        window,
        total: 100_000,
        bad: bad(window),
    };
    Objective::windows().into_iter().map(requests).collect()
}

#[test]
fn a_budget_burns_by_both_windows_or_not_at_all() {
    let objective = Objective::new("availability", 0.999).unwrap();
    let judge = |bad: &dyn Fn(Duration) -> u64| objective.judge(&requests(bad)).verdict;

    // 1.5 % of all requests fail: 15 times what the budget allows.
    let Verdict::Bad { severity, value } = judge(&|_| 1_500) else {
        panic!("it burns")
    };
    assert_eq!((severity, value.round()), (Critical, 15.0));
    // It is over since half an hour: the long windows still remember it.
    let over = |window| if window <= 30.minutes() { 0 } else { 1_500 };
    assert!(!matches!(
        judge(&over),
        Verdict::Bad {
            severity: Critical,
            ..
        }
    ));
    assert!(matches!(
        judge(&|_| 200),
        Verdict::Bad {
            severity: Warning,
            ..
        }
    ));
    assert!(matches!(judge(&|_| 50), Verdict::Well { .. }));
    assert_eq!(objective.judge(&[]).verdict, Verdict::Unknown);
    assert_eq!(objective.judge(&requests(|_| 0)).budget_left, Some(1.0));
    assert_eq!(objective.judge(&[]).budget_left, None);
}

#[test]
fn a_few_failures_of_few_requests_are_no_incident() {
    let objective = Objective::new("availability", 0.999).unwrap();
    let requests: Vec<Requests> = Objective::windows()
        .into_iter()
        .map(|window| Requests {
            window,
            total: 20,
            bad: 2,
        })
        .collect();

    let Burning { verdict, .. } = objective.judge(&requests);

    assert!(matches!(verdict, Verdict::Well { .. }));
}

fn reading() -> impl Strategy<Value = Reading> {
    prop_oneof![
        4 => Just(Reading::Value(100.0)),
        1 => Just(Reading::Value(195.0)),
        4 => Just(Reading::Value(300.0)),
        2 => Just(Reading::Value(900.0)),
        1 => Just(Reading::Missing),
    ]
}

/// Readings that last for a while, so that something comes of them, some minutes apart.
fn story() -> impl Strategy<Value = Vec<(i64, Reading)>> {
    let part = (reading(), 1_usize..40, 0_i64..4);
    proptest::collection::vec(part, 1..40).prop_map(|parts| {
        let mut minute = 0;
        let mut story = Vec::new();
        for (reading, times, pause) in parts {
            for _ in 0..times {
                story.push((minute, reading));
                minute += pause;
            }
        }
        story
    })
}

/// How long it had been so at this place of the story, without a break.
fn lasted(story: &[(i64, Reading)], until: usize, is_so: impl Fn(Verdict) -> bool) -> Option<i64> {
    let rule = rule();
    let from = story[..=until]
        .iter()
        .rposition(|(_, reading)| !is_so(rule.judge(*reading)))
        .map_or(0, |at| at + 1);
    story
        .get(from)
        .filter(|_| from <= until)
        .map(|(minute, _)| story[until].0 - minute)
}

proptest! {
    // Each case is hundreds of steps, each of which is written down and read again.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_incident_is_one_notice(story in story(), silenced in 0_i64..500, acknowledged in proptest::option::of(0..2000_usize)) {
        let silence = Silence::new("ann", "why", NOON + Duration::minutes(silenced), NOON + Duration::minutes(silenced + 60)).unwrap();
        let mut watched = Watched { silence: Some(silence.clone()), ..Watched::default() };
        let mut open: Option<(u64, Severity)> = None;
        let mut over: Option<(i64, Severity)> = None;
        let mut last = 0;
        for (at, (minute, reading)) in story.iter().enumerate() {
            if acknowledged == Some(at) {
                watched.watch.acknowledge(NOON + Duration::minutes(*minute));
            }
            // It is the same to go on with what was written down.
            let written = serde_json::to_string(&watched.watch).unwrap();
            watched.watch = serde_json::from_str(&written).unwrap();
            let before = watched.told.len();
            watched.read(*minute, *reading);
            let told = &watched.told[before..];
            prop_assert!(told.len() <= 1);
            let Some((_, notice)) = told.first() else { continue };
            let number = notice.incident().number;
            let severity = notice.incident().severity;
            if !matches!(notice, Notice::Resolved { .. }) {
                prop_assert!(!silence.covers(NOON + Duration::minutes(*minute)));
            }
            match notice {
                Notice::Opened(_) => {
                    prop_assert!(open.is_none() && number > last, "opened twice");
                    if let Some((over, before)) = over {
                        prop_assert!(minute - over >= 60 || severity > before, "too soon");
                    }
                    (open, last) = (Some((number, severity)), number);
                }
                Notice::Escalated { .. } => {
                    prop_assert_eq!(open, Some((number, Severity::Warning)));
                    prop_assert_eq!(severity, Severity::Critical);
                    open = Some((number, severity));
                }
                Notice::Resolved { .. } => {
                    prop_assert_eq!(open.map(|(number, _)| number), Some(number));
                    let calm = lasted(&story, at, |verdict| matches!(verdict, Verdict::Well { .. }));
                    prop_assert!(calm.is_some_and(|calm| calm >= 10), "well for {calm:?}");
                    over = open.take().map(|(_, severity)| (*minute, severity));
                }
            }
        }
    }

    #[test]
    fn an_incident_was_bad_for_long_enough(story in story()) {
        let mut watched = Watched::default();
        let mut known = None;
        for (at, (minute, reading)) in story.iter().enumerate() {
            watched.read(*minute, *reading);
            let open = watched.watch.incident().map(|incident| incident.number);
            if open.is_some() && open != known {
                let bad = lasted(&story, at, |verdict| matches!(verdict, Verdict::Bad { .. }));
                prop_assert!(bad.is_some_and(|bad| bad >= 5), "bad for {bad:?}");
            }
            known = open;
        }
    }

    #[test]
    fn a_clock_that_is_set_back_does_no_harm(minutes in proptest::collection::vec((-500_i64..500, reading()), 1..200)) {
        let mut watched = Watched::default();
        for (minute, reading) in minutes {
            watched.read(minute, reading);
        }
        let open = watched.told.iter().filter(|(_, notice)| notice.as_str() == "opened").count();
        let over = watched.told.iter().filter(|(_, notice)| notice.as_str() == "resolved").count();
        prop_assert!(open - over <= 1);
    }
}
