use proptest::prelude::*;
use time::Duration;
use time::ext::NumericalDuration as _;

use super::series::{START, Values, history, observations, twelve};
use super::*;
use crate::performance::noise::Noise;

const SEEDS: std::ops::RangeInclusive<u64> = 7..=9;

fn months(months: u8) -> Months {
    Months::new(months).unwrap()
}

fn limits(values: &[f64]) -> Vec<Limit> {
    let limit = |value: &f64| Limit {
        name: format!("{value} GB"),
        value: *value,
    };
    values.iter().map(limit).collect()
}

fn days(count: u32, value: impl FnMut(f64) -> f64) -> Values {
    (0..count).map(f64::from).map(value).map(Some).collect()
}

/// `cargo nextest run -p fairlead-domain forecasts_are_as_right --no-capture` prints the table.
#[test]
fn forecasts_are_as_right_as_they_say_and_no_worse_than_the_naive_one() {
    println!("series        outcomes     error     naive  ratio  80 %  95 %  models");
    let seeds: Vec<_> = SEEDS.map(twelve).collect();
    for at in 0..12 {
        let (name, ..) = seeds[0][at];
        let forecasts: Vec<Forecast> = seeds
            .iter()
            .map(|twelve| forecast(&history(twelve[at].1, &twelve[at].2), months(1), &[]).unwrap())
            .collect();
        let outcomes: usize = forecasts.iter().map(|forecast| forecast.back_test.outcomes).sum();
        let pooled = |value: fn(&BackTest) -> f64| {
            let tests = forecasts.iter().map(|forecast| &forecast.back_test);
            let sum: f64 = tests.map(|test| value(test) * real(test.outcomes)).sum();
            sum / real(outcomes)
        };
        let (error, naive) = (pooled(|test| test.error), pooled(|test| test.naive_error));
        let (covered_80, covered_95) = (pooled(|test| test.covered_80), pooled(|test| test.covered_95));
        let models: Vec<&str> = forecasts.iter().map(|forecast| forecast.model.as_str()).collect();
        println!(
            "{name:13} {outcomes:8} {error:9.2} {naive:9.2} {:6.2} {:5.1} {:5.1}  {}",
            error / naive,
            100.0 * covered_80,
            100.0 * covered_95,
            models.join(", ")
        );
        assert!(error <= naive, "{name}: {error} is worse than {naive}");
        assert!(
            (0.75..=0.90).contains(&covered_80),
            "{name} is covered {covered_80}"
        );
    }
}

#[test]
fn a_limit_is_reached_when_the_line_gets_there() {
    let mut noise = Noise(1);
    let history = history(Step::Day, &days(200, |day| 100.0 + day + noise.normal(2.0)));

    let forecast = forecast(&history, months(6), &limits(&[250.0, 360.0, 500.0, 10_000.0])).unwrap();

    assert_eq!(forecast.limits[0].when, Reached::Already);
    // The last day is number 199, at 299: 360 are there 61 days later.
    let Reached::Within {
        earliest,
        likely: Some(likely),
        latest: Some(latest),
    } = forecast.limits[1].when
    else {
        panic!("{:?}", forecast.limits[1])
    };
    assert!(earliest <= likely && likely <= latest);
    let expected = history.end() + 61.days();
    assert!(
        (likely - expected).abs() <= 5.days(),
        "{likely} is not {expected}"
    );
    assert!(!matches!(forecast.limits[2].when, Reached::Already));
    assert_eq!(forecast.limits[3].when, Reached::NotWithin);
    assert!(
        (forecast.growth.per_month - 30.4).abs() < 1.0,
        "{:?}",
        forecast.growth
    );
}

#[test]
fn what_never_changes_never_will_and_is_certain() {
    let history = history(Step::Day, &days(100, |_| 80.0));

    let forecast = forecast(&history, months(6), &limits(&[81.0])).unwrap();

    assert_eq!(forecast.model, Model::SeasonalNaive);
    let band = Band {
        lower: 80.0,
        upper: 80.0,
    };
    assert!(forecast.points.iter().all(|point| point.within_95 == band));
    assert_eq!(forecast.limits[0].when, Reached::NotWithin);
    assert_eq!(forecast.back_test.relative_error(), None);
}

#[test]
fn what_is_missing_is_said() {
    let lack = |values: Values| History::new(Step::Day, &observations(Step::Day, &values)).unwrap_err();
    let needs = Duration::days(42);

    assert_eq!(
        lack(days(0, |day| day)).missing,
        [Lack::Time {
            has: Duration::ZERO,
            needs
        }]
    );
    assert_eq!(
        lack(days(41, |day| day)).missing,
        [Lack::Time {
            has: 41.days(),
            needs
        }]
    );
    let mut holes = days(100, |day| day);
    holes[10..60].fill(None);
    let [Lack::Values { missing, allowed }] = lack(holes).missing[..] else {
        panic!("values are missing")
    };
    assert_eq!((missing, allowed), (0.5, History::GAPS_ALLOWED));
    assert_eq!(
        lack(days(50, |_| f64::NAN)).missing,
        [Lack::Time {
            has: Duration::ZERO,
            needs
        }]
    );

    // What is enough for a month is not for two years.
    let history = history(Step::Day, &days(60, |day| day));
    assert!(forecast(&history, months(1), &[]).is_ok());
    let TooLittle { missing } = forecast(&history, months(24), &[]).unwrap_err();
    assert!(matches!(missing[..], [Lack::Time { has, needs }] if has == 60.days() && needs > 240.days()));
    assert_eq!((Months::new(0), Months::new(25)), (None, None));
}

#[test]
fn what_is_beyond_the_back_test_is_less_certain_and_said_to_be() {
    let mut noise = Noise(3);
    let history = history(Step::Day, &days(300, |day| 100.0 + 0.2 * day + noise.normal(5.0)));

    let Forecast {
        points, tested_until, ..
    } = forecast(&history, months(24), &[]).unwrap();

    assert_eq!(points.len(), 731);
    assert_eq!(points[0].at, history.end() + 1.days());
    assert_eq!(tested_until, history.end() + 100.days());
    let width = |at: usize| points[at].within_80.upper - points[at].within_80.lower;
    assert!(width(730) > 1.5 * width(99), "{} and {}", width(730), width(99));
}

#[test]
fn observations_are_sorted_into_steps() {
    let at = |hours: i64, value| Observation {
        at: START + hours.hours(),
        value,
    };
    let mut seen: Vec<Observation> = (0..50).map(|day| at(24 * day, 10.0)).collect();
    seen.extend([at(24 * 49 + 1, 20.0), at(24 * 49 + 23, 30.0)]);
    seen.reverse();

    let history = History::new(Step::Day, &seen).unwrap();

    assert_eq!((history.latest(), history.span()), (20.0, 50.days()));
    assert_eq!(history.end(), START + 50.days());
}

fn values() -> impl Strategy<Value = Values> {
    let value = prop_oneof![
        8 => (-1e3_f64..1e3).prop_map(Some),
        1 => (-1e12_f64..1e12).prop_map(Some),
        1 => Just(None),
    ];
    proptest::collection::vec(value, 42..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn intervals_hold_what_is_most_likely_and_each_other(values in values()) {
        let observations = observations(Step::Day, &values);
        let Ok(history) = History::new(Step::Day, &observations) else { return Ok(()) };
        let forecast = forecast(&history, months(3), &limits(&[1e3])).unwrap();

        prop_assert_eq!(forecast.points.len(), 92);
        let mut before = 0.0;
        for point in &forecast.points {
            let (narrow, wide) = (point.within_80, point.within_95);
            prop_assert!(narrow.lower <= point.value && point.value <= narrow.upper);
            prop_assert!(wide.lower <= narrow.lower && narrow.upper <= wide.upper);
            let width = narrow.upper - point.value;
            prop_assert!(width >= before * (1.0 - 1e-6) - 1e-3, "{width} is narrower than {before}");
            before = width;
        }
        let test = forecast.back_test;
        prop_assert!(test.outcomes > 0 && test.covered_80 <= test.covered_95);
    }

    #[test]
    fn what_is_counted_in_another_unit_is_forecast_the_same(values in values(), power in -3_i32..4) {
        let factor = 2.0_f64.powi(10 * power);
        let scaled: Values = values.iter().map(|value| value.map(|value| value * factor)).collect();
        let run = |values: &Values| {
            let history = History::new(Step::Day, &observations(Step::Day, values)).ok()?;
            forecast(&history, months(1), &[]).ok()
        };
        let (Some(one), Some(other)) = (run(&values), run(&scaled)) else { return Ok(()) };

        prop_assert_eq!(one.model, other.model);
        prop_assert!((one.back_test.covered_80 - other.back_test.covered_80).abs() < 1e-9);
    }
}

fn real(count: usize) -> f64 {
    crate::performance::statistics::real(count)
}
