use proptest::prelude::*;

use super::*;

fn well() -> Vec<(Component, Reading)> {
    let good = |component: Component| (component, Reading::Value(component.bounds().0));
    Component::ALL.into_iter().map(good).collect()
}

fn with(component: Component, reading: Reading) -> Health {
    health(well().into_iter().chain([(component, reading)]))
}

#[test]
fn what_is_well_everywhere_has_all_points() {
    let health = health(well());

    assert_eq!(health.verdict, Verdict::Healthy);
    assert_eq!(
        (health.score, health.lowest, health.highest),
        (Some(100.0), 100.0, 100.0)
    );
    assert_eq!(health.held_down_by, None);
}

#[test]
fn what_is_missing_is_said_to_be_and_not_taken_for_good() {
    let health = with(Component::Database, Reading::Missing("no statistics".to_owned()));

    assert_eq!(health.verdict, Verdict::Unknown);
    assert_eq!(health.score, Some(100.0));
    assert_eq!((health.lowest, health.highest), (0.0, 100.0));
    let part = &health.parts[Component::Database as usize];
    assert_eq!((part.weight, part.lost), (None, 0.0));

    let health = super::health([]);
    assert_eq!(
        (health.verdict, health.score, health.known),
        (Verdict::Unknown, None, 0.0)
    );
}

#[test]
fn a_little_that_is_missing_does_not_hide_that_the_rest_is_well() {
    let health = with(Component::Replicas, Reading::Missing("timed out".to_owned()));

    assert_eq!(health.verdict, Verdict::Healthy);
    assert!(health.known < 1.0 && health.lowest < 100.0);
}

#[test]
fn without_a_vital_component_nothing_is_well() {
    let health = with(Component::Database, Reading::Down("refused".to_owned()));

    assert_eq!(health.verdict, Verdict::Unhealthy);
    assert_eq!(
        (health.score, health.held_down_by),
        (Some(0.0), Some(Component::Database))
    );

    let health = with(Component::Redis, Reading::Down("refused".to_owned()));
    assert_eq!((health.verdict, health.held_down_by), (Verdict::Healthy, None));
}

#[test]
fn what_an_installation_does_not_have_counts_for_nothing() {
    let health = with(Component::Replicas, Reading::NotUsed);

    assert_eq!((health.verdict, health.known), (Verdict::Healthy, 1.0));
}

fn reading() -> impl Strategy<Value = Reading> {
    prop_oneof![
        6 => (0.0_f64..600.0).prop_map(Reading::Value),
        6 => (0.0_f64..1.2).prop_map(Reading::Value),
        1 => Just(Reading::Down("down".to_owned())),
        2 => Just(Reading::Missing("missing".to_owned())),
        1 => Just(Reading::NotUsed),
        1 => Just(Reading::Value(f64::NAN)),
    ]
}

proptest! {
    #[test]
    fn a_score_lies_within_its_bounds_and_its_parts_explain_it(readings in proptest::collection::vec(reading(), Component::ALL.len())) {
        let health = health(Component::ALL.into_iter().zip(readings));

        prop_assert!((0.0..=100.0).contains(&health.lowest) && health.lowest <= health.highest);
        if let Some(score) = health.score {
            prop_assert!(health.lowest <= score + 1e-9 && score <= health.highest + 1e-9);
            if health.held_down_by.is_none() {
                let lost: f64 = health.parts.iter().map(|part| part.lost).sum();
                prop_assert!((100.0 - lost - score).abs() < 1e-9);
            }
        }
        if health.verdict == Verdict::Healthy {
            prop_assert!(health.score.is_some_and(|score| score >= Verdict::HEALTHY));
            prop_assert!(health.lowest >= Verdict::UNHEALTHY);
        }
    }

    #[test]
    fn more_of_what_is_bad_is_never_better(component in 0..Component::ALL.len(), value in 0.0_f64..600.0, more in 0.0_f64..600.0) {
        let component = Component::ALL[component];
        let score = |value| with(component, Reading::Value(value)).score.unwrap();

        prop_assert!(score(value + more) <= score(value) + 1e-9);
    }
}
