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
fn a_watch_that_was_lost_goes_on_with_its_incident() {
    let mut watched = Watched::default();
    watched.hold(0..10, 300.0);
    assert_eq!(watched.told(), [(5, "opened", Warning)]);

    watched.watch = Watch::resumed(watched.watch.incident().unwrap());
    watched.hold(10..20, 300.0);
    watched.hold(20..30, 900.0);
    watched.hold(30..45, 100.0);

    assert_eq!(
        watched.told()[1..],
        [(25, "escalated", Critical), (40, "resolved", Critical)]
    );
    watched.hold(45..60, 100.0);
    watched.hold(60..120, 300.0);
    assert_eq!(watched.told.last().unwrap().1.incident().number, 2);
}

#[test]
fn what_could_not_be_written_down_counts_when_it_was() {
    use crate::performance::{Figures, LatencySketch, RouteSeries, Series};

    let failed = |count| {
        let mut times = LatencySketch::default();
        for _ in 0..count {
            times.note(std::time::Duration::from_millis(1));
        }
        let route = RouteSeries {
            method: "GET".into(),
            route: "/leads".into(),
            class: 5,
        };
        [(Series::Route(route), Figures::Times(times))]
    };
    let mut counts = Counts::default();
    counts.note(NOON + 4.minutes(), &failed(3));
    counts.note(NOON + 4.minutes() + 59.seconds(), &failed(4));
    let mut later = Counts::default();
    later.note(NOON + 5.minutes(), &failed(5));
    later.note(NOON + 6.minutes(), &[]);
    counts.merge(later);

    let of = counts.iter().filter(|(_, name, _)| *name == "availability");
    let of: Vec<_> = of.map(|(at, _, count)| (at, count.total, count.bad)).collect();
    assert_eq!(of, [(NOON, 7, 7), (NOON + 5.minutes(), 5, 5)]);
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
    let rule =
        |metric, warning, critical, timing| Rule::new("x", metric, warning, critical, timing).unwrap_err();
    let (above, below) = (Metric::CpuShare, Metric::CacheHitShare);
    let usual = Timing::usual();

    assert_eq!(rule(above, None, None, usual), WrongRule::NoThreshold);
    assert_eq!(rule(above, Some(f64::NAN), None, usual), WrongRule::Threshold);
    assert_eq!(rule(above, Some(0.9), Some(0.8), usual), WrongRule::Order);
    assert_eq!(rule(below, Some(0.8), Some(0.9), usual), WrongRule::Order);
    let endless = Timing {
        hold: 8.days(),
        ..usual
    };
    assert_eq!(rule(above, Some(0.9), None, endless), WrongRule::Timing);
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
    let objective = Objective::new("availability", Promise::Answered, 0.999).unwrap();
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
    let objective = Objective::new("availability", Promise::Answered, 0.999).unwrap();
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

#[test]
fn requests_are_as_promised_or_not() {
    use std::time::Duration as StdDuration;

    use crate::performance::{Figures, LatencySketch, RouteSeries, Series};

    let of = |class, millis: &[u64]| {
        let mut times = LatencySketch::default();
        for millis in millis {
            times.note(StdDuration::from_millis(*millis));
        }
        let (method, route) = ("GET".into(), "/leads".into());
        (
            Series::Route(RouteSeries { method, route, class }),
            Figures::Times(times),
        )
    };
    let measured = [
        of(2, &[5, 50, 150]),
        of(5, &[1, 700]),
        (Series::Statements, Figures::Times(LatencySketch::default())),
        (Series::Counter("hits".into()), Figures::Count(9)),
    ];
    let within = |millis| Promise::Within(StdDuration::from_millis(millis));

    assert_eq!(Promise::Answered.tally(&measured), (5, 2));
    assert_eq!(within(100).tally(&measured), (5, 2));
    assert_eq!(within(500).tally(&measured), (5, 1));
    assert_eq!(within(500).tally(&[]), (0, 0));
}

#[test]
fn what_nobody_watches_any_more_is_over_and_told_so_once() {
    let mut watched = Watched::default();
    watched.hold(0..10, 300.0);

    let notice = watched.watch.withdraw(NOON + 10.minutes());

    assert!(matches!(notice, Some(Notice::Resolved { .. })));
    assert_eq!(watched.watch.withdraw(NOON + 11.minutes()), None);
    assert!(watched.watch.incident().is_none());
    // One that was not told is over without a word.
    let silence = Silence::new("ann", "why", NOON, NOON + 1.hours()).unwrap();
    let mut silent = Watched {
        silence: Some(silence),
        ..Watched::default()
    };
    silent.hold(0..10, 300.0);
    assert!(silent.watch.incident().is_some());
    assert_eq!(silent.watch.withdraw(NOON + 10.minutes()), None);
    assert!(silent.watch.incident().is_none());
}

#[test]
fn what_an_operator_says_of_a_rule_is_held_to_what_makes_sense() {
    let draft = RuleDraft {
        key: "search-time".to_owned(),
        metric: Metric::QueryP95Ms,
        warning: Some(100.0),
        critical: None,
        timing: Timing::usual(),
    };
    let fields = |draft: &RuleDraft| -> Vec<String> {
        let faults = draft.clone().parse().unwrap_err().0;
        faults.into_iter().map(|fault| fault.field.into_owned()).collect()
    };

    assert_eq!(draft.clone().parse().unwrap().key, "search-time");
    for key in ["", "Search", "1st", "burn-availability", &"a".repeat(65), "a b"] {
        let key = key.to_owned();
        assert_eq!(fields(&RuleDraft { key, ..draft.clone() }), ["key"]);
    }
    let wrong = RuleDraft {
        warning: Some(-1.0),
        critical: Some(f64::INFINITY),
        timing: Timing {
            hold: -1.seconds(),
            calm: 8.days(),
            ..Timing::usual()
        },
        ..draft.clone()
    };
    assert_eq!(
        fields(&wrong),
        ["warning", "critical", "timing.holdSeconds", "timing.calmSeconds"]
    );
    let warning = None;
    assert_eq!(
        fields(&RuleDraft {
            warning,
            ..draft.clone()
        }),
        ["critical"]
    );
    let critical = Some(50.0);
    assert_eq!(fields(&RuleDraft { critical, ..draft }), ["critical"]);
}

#[test]
fn words_are_read_as_they_are_written() {
    for metric in Metric::ALL {
        assert_eq!(Metric::parse(metric.as_str()), Some(metric));
        let json = serde_json::to_value(metric).unwrap();
        assert_eq!(json, metric.as_str());
    }
    for kind in NoticeKind::ALL {
        assert_eq!(NoticeKind::parse(kind.as_str()), Some(kind));
    }
    for severity in [Warning, Critical] {
        assert_eq!(Severity::parse(severity.as_str()), Some(severity));
    }
    assert_eq!(Metric::parse("other"), None);
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
