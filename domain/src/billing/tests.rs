use time::OffsetDateTime;

use super::sync::choose;
use super::*;

fn found(id: &str, status: SubscriptionStatus, created: i64) -> ProviderSubscription {
    ProviderSubscription {
        id: id.to_owned(),
        status,
        prices: vec![],
        current_period_end: None,
        cancel_at_period_end: false,
        created_at: OffsetDateTime::from_unix_timestamp(created).unwrap(),
    }
}

#[test]
fn of_several_subscriptions_the_one_that_is_paid_counts_and_then_the_newest() {
    use SubscriptionStatus::{Active, Canceled, Incomplete, PastDue};
    let chosen = |all: &[ProviderSubscription]| choose(all).map(|found| found.id.clone());

    let (old, new) = (found("old", Active, 1), found("new", Canceled, 3));
    assert_eq!(chosen(&[old.clone(), new.clone()]).as_deref(), Some("old"));
    let waiting = found("waiting", Incomplete, 2);
    assert_eq!(
        chosen(&[new.clone(), waiting.clone()]).as_deref(),
        Some("waiting")
    );
    assert_eq!(
        chosen(&[old, found("late", PastDue, 2), waiting]).as_deref(),
        Some("late")
    );
    assert_eq!(chosen(&[]), None);
}

#[test]
fn a_plan_is_in_force_while_it_is_paid_or_about_to_be() {
    let with = |status, plan| Subscription {
        provider_id: "sub_1".to_owned(),
        plan,
        status,
        current_period_end: None,
        cancel_at_period_end: false,
        updated_at: OffsetDateTime::UNIX_EPOCH,
    };

    for status in SubscriptionStatus::ALL {
        let plan = Subscription::plan_in_force(Some(&with(status, Some(Plan::Team))));
        let expected = if status.is_live() { Plan::Team } else { Plan::Free };
        assert_eq!(plan, expected, "{}", status.as_str());
        assert!(!(status.is_live() && status.is_over()), "{}", status.as_str());
        assert_eq!(SubscriptionStatus::parse(status.as_str()), Some(status));
    }
    let unknown = with(SubscriptionStatus::Active, None);
    assert_eq!(Subscription::plan_in_force(Some(&unknown)), Plan::Free);
    assert_eq!(Subscription::plan_in_force(None), Plan::Free);
}

#[test]
fn an_event_is_read_as_far_as_it_is_needed() {
    let event = |id: &str, customer: &str| {
        let body = format!(
            r#"{{"id": "{id}", "type": "invoice.paid", "more": 1, "data": {{"object": {{"customer": {customer}}}}}}}"#
        );
        ProviderEvent::parse(body.as_bytes())
    };

    let (by_id, by_object) = (event("evt_1", r#""cus_1""#), event("evt_1", r#"{"id": "cus_1"}"#));
    assert!(by_id.is_some() && by_id == by_object);
    assert!(event("evt_1", "null").is_some());
    for id in ["", "1", "evt_ 1", "evt_1'", &format!("evt_{}", "1".repeat(300))] {
        assert_eq!(event(id, "null"), None, "{id}");
    }
    assert_eq!(ProviderEvent::parse(b"{}"), None);
    assert_eq!(ProviderEvent::parse(b"\xff"), None);
}

#[test]
fn a_refund_says_what_is_wrong_with_it_field_by_field() {
    let faults = |amount| {
        let refused = RefundDraft::parse("", "ch_1", amount, "").unwrap_err();
        refused
            .0
            .iter()
            .map(|fault| fault.field.to_string())
            .collect::<Vec<_>>()
    };

    assert_eq!(faults(Some(0)), ["reference", "payment", "amount", "reason"]);
    assert_eq!(faults(Some(-1)), faults(Some(100_000_000)));
    assert_eq!(faults(None), ["reference", "payment", "reason"]);
    assert!(RefundDraft::parse("a case", "pi_1", Some(1), "a reason").is_ok());
}
