use fairlead_domain::billing::SubscriptionStatus;
use serde_json::{Value, json};

use super::*;

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_form_is_encoded_as_forms_are() {
    let form = Form::default()
        .add("name", "Zoë & Söhne")
        .add("metadata[tenant]", 7)
        .add_some("email", None::<&str>);

    assert_eq!(
        form.finish(),
        "name=Zo%C3%AB+%26+S%C3%B6hne&metadata%5Btenant%5D=7"
    );
}

#[test]
fn a_page_is_taken_for_none_unless_it_is_one_of_the_customer() {
    let session = |field: &str, value: Value| {
        let mut session = json!({
            "id": "cs_test_1", "object": "checkout.session", "customer": "cus_1", "status": "open",
            "url": "https://checkout.stripe.com/c/pay/cs_test_1", "expires_at": 1_763_800_000,
        });
        session[field] = value;
        read::<wire::Session>(session).page("cus_1")
    };

    assert!(session("object", json!("checkout.session")).is_some());
    for (field, value) in [
        ("customer", json!("cus_2")),
        ("customer", json!(null)),
        ("url", json!(null)),
        ("url", json!("javascript:alert(1)")),
        ("url", json!("https://checkout.stripe.com/ a")),
        ("id", json!("cs_1/../other")),
        ("expires_at", json!(i64::MAX)),
    ] {
        assert_eq!(session(field, value.clone()), None, "{field}: {value}");
    }
}

#[test]
fn a_subscription_ends_with_the_first_of_its_items_and_has_a_status_that_is_known() {
    let subscription = |customer: &str, status: &str| {
        let item = |price: &str, end: i64| json!({"price": {"id": price}, "current_period_end": end});
        let subscription = json!({
            "id": "sub_1", "object": "subscription", "customer": customer, "status": status, "created": 1_763_000_000,
            "cancel_at_period_end": true, "items": {"data": [item("price_1", 1_766_000_000), item("price_2", 1_765_000_000)]},
        });
        read::<wire::Subscription>(subscription).read("cus_1")
    };

    let found = subscription("cus_1", "past_due").unwrap();

    assert_eq!(found.status, SubscriptionStatus::PastDue);
    assert_eq!(found.prices, ["price_1", "price_2"]);
    assert_eq!(found.current_period_end.unwrap().unix_timestamp(), 1_765_000_000);
    assert_eq!(subscription("cus_2", "active"), None);
    assert_eq!(subscription("cus_1", "excellent"), None);
}

#[test]
fn a_refusal_is_told_by_its_fixed_words() {
    let refused = |status, body: Value| {
        fault(&Failed {
            refusal: body.to_string().into(),
            ..UpstreamFault::Refused(status).into()
        })
    };
    let error = json!({"error": {
        "type": "invalid_request_error", "code": "resource_missing", "param": "line_items[0][price]",
        "message": "No such price: 'price_secret'",
    }});

    assert_eq!(
        refused(400, error),
        PaymentFault::Refused("400, invalid_request_error resource_missing line_items[0][price]".to_owned())
    );
    assert_eq!(
        refused(402, json!("nonsense")),
        PaymentFault::Refused("402".to_owned())
    );
    assert!(matches!(refused(409, json!({})), PaymentFault::Later { .. }));
}

#[test]
fn a_meter_event_that_is_known_is_told_from_one_that_is_refused() {
    let refusal = |message: &str| {
        let error = json!({"error": {"type": "invalid_request_error", "message": message}});
        error.to_string()
    };
    let is_known = |message: &str| wire::is_known_event(refusal(message).as_bytes(), "0192-a");

    assert!(is_known("An event already exists with identifier 0192-a."));
    assert!(!is_known("An event already exists with identifier 0192-b."));
    assert!(!is_known("No active meter found for event name 0192-a."));
    assert!(!wire::is_known_event(b"nonsense", "0192-a"));
}

#[test]
fn a_customer_that_is_not_known_is_told_from_anything_else_that_is_missing() {
    let is_missing = |code: &str, param: &str| {
        let error = json!({"error": {"type": "invalid_request_error", "code": code, "param": param}});
        wire::is_missing_customer(error.to_string().as_bytes())
    };

    assert!(is_missing("resource_missing", "customer"));
    assert!(!is_missing("resource_missing", "price"));
    assert!(!is_missing("api_key_expired", "customer"));
}
