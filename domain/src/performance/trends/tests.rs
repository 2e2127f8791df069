use proptest::prelude::*;

use super::*;
use crate::performance::noise::Noise;

fn period(values: impl IntoIterator<Item = f64>) -> Period {
    Period {
        values: values.into_iter().collect(),
    }
}

/// Sixty minutes around a value.
fn minutes(value: f64, seed: u32) -> Period {
    period((0..60_u32).map(|minute| value + f64::from((minute * 37 + seed * 11) % 23) - 11.0))
}

use Direction::{HigherIsBetter, HigherIsWorse, Neutral};

#[test]
fn what_is_clearly_another_is_better_or_worse_by_what_it_means() {
    let (slow, fast) = (minutes(150.0, 1), minutes(100.0, 2));

    let verdict = |before, after, direction| compare(before, after, direction).verdict;

    assert_eq!(verdict(&fast, &slow, HigherIsWorse), TrendVerdict::Worse);
    assert_eq!(verdict(&slow, &fast, HigherIsWorse), TrendVerdict::Better);
    assert_eq!(verdict(&slow, &fast, HigherIsBetter), TrendVerdict::Worse);
    assert_eq!(verdict(&slow, &fast, Neutral), TrendVerdict::Changed);
    assert_eq!(
        verdict(&slow, &minutes(150.0, 3), HigherIsWorse),
        TrendVerdict::Unchanged
    );
}

#[test]
fn a_few_samples_say_nothing_however_far_they_are_apart() {
    let change = compare(&period([1.0; 7]), &period([1e6; 7]), HigherIsWorse);

    assert_eq!(change.verdict, TrendVerdict::TooFew { needed: 8 });
    assert_eq!((change.p_value, change.samples), (None, (7, 7)));

    let change = compare_shares(
        Share { part: 0, total: 29 },
        Share { part: 29, total: 29 },
        HigherIsWorse,
    );
    assert!(matches!(change.verdict, TrendVerdict::TooFew { .. }));
}

#[test]
fn a_change_that_does_not_matter_is_none() {
    let before = period((0..1_000).map(|at| 100.0 + f64::from(at) / 1e6));
    let after = period((0..1_000).map(|at| 101.0 + f64::from(at) / 1e6));

    let change = compare(&before, &after, HigherIsWorse);

    assert!(change.p_value.unwrap() < 1e-6);
    assert_eq!(change.verdict, TrendVerdict::Unchanged);
}

#[test]
fn ranks_are_tested_as_in_the_books() {
    // U is 12.5, and five pairs are tied, so z = (50 - 12.5 - 0.5) / 13.2039 = 2.8022.
    let order = [0, 9, 2, 7, 4, 5, 6, 3, 8, 1];
    let from = |first: u32| period(order.map(|at| f64::from(first + at)));

    let change = compare(&from(1), &from(6), HigherIsWorse);

    assert!((change.p_value.unwrap() - 0.005_075).abs() < 1e-6, "{change:?}");
}

#[test]
fn what_drifts_by_chance_seldom_seems_to_have_changed() {
    // Minutes that are much like the minute before, and nothing else that would tell two hours apart.
    let mut noise = Noise(5);
    let mut hour = || {
        let mut value = 0.0;
        period((0..60).map(|_| {
            value = 0.8 * value + noise.normal(1.0);
            100.0 + 10.0 * value
        }))
    };

    let changed = (0..400).filter(|_| compare(&hour(), &hour(), Neutral).verdict == TrendVerdict::Changed);

    let changed = changed.count();
    assert!(changed <= 12, "{changed} of 400");
}

#[test]
fn shares_are_compared_with_how_many_there_were() {
    let failed = |part, total| Share { part, total };

    let worse = compare_shares(failed(10, 10_000), failed(60, 10_000), HigherIsWorse);
    assert_eq!(worse.verdict, TrendVerdict::Worse);
    let chance = compare_shares(failed(10, 10_000), failed(14, 10_000), HigherIsWorse);
    assert_eq!(chance.verdict, TrendVerdict::Unchanged);
}

#[test]
fn of_many_figures_that_did_not_change_none_seems_to_have() {
    // Two hundred routes whose minutes are in another order alone.
    let mut figures: Vec<_> = (0..200)
        .map(|route| (minutes(100.0, route), minutes(100.0, route + 7), HigherIsWorse))
        .collect();
    let worse = |figures: &[_]| -> Vec<usize> {
        let changes = compare_all(figures).into_iter().enumerate();
        changes
            .filter_map(|(at, change)| (change.verdict != TrendVerdict::Unchanged).then_some(at))
            .collect()
    };
    assert_eq!(worse(&figures), Vec::<usize>::new());

    figures[7].1 = minutes(140.0, 3);
    assert_eq!(worse(&figures), [7]);
}

proptest! {
    #[test]
    fn to_look_from_the_other_side_is_the_opposite(
        before in proptest::collection::vec(0.0_f64..100.0, 0..40),
        after in proptest::collection::vec(0.0_f64..100.0, 0..40),
    ) {
        let (before, after) = (period(before), period(after));
        let (one, other) = (compare(&before, &after, HigherIsWorse), compare(&after, &before, HigherIsWorse));

        prop_assert_eq!((one.before, one.after), (other.after, other.before));
        match (one.p_value, other.p_value) {
            (Some(one), Some(other)) => prop_assert!((one - other).abs() < 1e-9 && (0.0..=1.0).contains(&one)),
            (one, other) => prop_assert_eq!(one, other),
        }
    }

    #[test]
    fn what_is_the_same_has_not_changed(values in proptest::collection::vec(0.0_f64..100.0, 8..40)) {
        let change = compare(&period(values.clone()), &period(values), HigherIsWorse);

        prop_assert_eq!(change.verdict, TrendVerdict::Unchanged);
    }
}
