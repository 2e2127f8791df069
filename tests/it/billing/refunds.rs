//! How payments are paid back.

use serde_json::{Value, json};
use support::stripe::Stripe;
use support::{Client, TestApp, wait_until};

use super::bench::{REFUNDS, customer, refund, sells};

async fn settled(operator: &Client, body: &Value) -> Value {
    let mut refund = Value::Null;
    wait_until("it is known what became of it", async || {
        refund = operator.post(REFUNDS, body.clone()).await.expect(202);
        refund["state"] != "PENDING"
    })
    .await;
    refund
}

#[tokio::test]
async fn a_payment_is_paid_back_once_however_often_it_is_asked_for_by_one_reference() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let operator = app.operator("olga").await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    stripe.with(|account| account.payments.insert("pi_1".to_owned(), id));
    let body = refund(&acme, "case 4711", "pi_1");

    let done = settled(&operator, &body).await;
    let again = settled(&operator, &body).await;
    let mut other = body.clone();
    other["amount"] = json!(100);
    let other = operator.post(REFUNDS, other).await;

    assert_eq!(
        (&done["state"], &done["attempts"], &done["fault"]),
        (&json!("DONE"), &json!(1), &Value::Null)
    );
    assert_eq!(done, again);
    assert_eq!(
        (other.status.as_u16(), other.problem()),
        (409, "conflict".to_owned())
    );
    let key = done["id"].as_str().unwrap().to_owned();
    stripe.with(|account| assert_eq!(account.refunds, [("pi_1".to_owned(), key)]));
}

#[tokio::test]
async fn what_another_has_paid_is_not_paid_back() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let operator = app.operator("olga").await;
    let (acme, _) = customer(&app, &stripe, "acme").await;
    let (_, umbrellas) = customer(&app, &stripe, "umbrella").await;
    let never = app.tenant("never").await;
    stripe.with(|account| account.payments.insert("pi_1".to_owned(), umbrellas));

    let others = settled(&operator, &refund(&acme, "a", "pi_1")).await;
    let missing = settled(&operator, &refund(&acme, "b", "pi_2")).await;
    let nobodys = operator.post(REFUNDS, refund(&never, "c", "pi_1")).await;
    let wrong = operator.post(REFUNDS, refund(&acme, "d", "pi_1/../x")).await;

    assert_eq!(
        (&others["state"], &others["fault"]),
        (&json!("REFUSED"), &json!("the tenant has not made this payment"))
    );
    assert_eq!(missing["state"], "REFUSED");
    assert_eq!(nobodys.problem(), "never-paid");
    assert_eq!(wrong.json()["errors"][0]["pointer"], "/payment");
    stripe.with(|account| assert_eq!(account.refunds, []));
}

#[tokio::test]
async fn what_is_not_known_after_a_day_is_not_asked_for_again() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let operator = app.operator("olga").await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    stripe.with(|account| account.payments.insert("pi_1".to_owned(), id));
    let body = refund(&acme, "case 4711", "pi_1");
    stripe.be(support::service::Mood::Fails);
    operator.post(REFUNDS, body.clone()).await.expect(202);
    wait_until("it was asked for", async || {
        operator.post(REFUNDS, body.clone()).await.expect(202)["attempts"] != 0
    })
    .await;

    // The provider forgets keys after a day: from then on it would pay back once more.
    app.clock.advance(time::Duration::hours(24));
    stripe.be(support::service::Mood::Well);
    let unknown = settled(&operator, &body).await;

    assert_eq!(unknown["state"], "UNKNOWN");
    assert!(unknown["fault"].as_str().unwrap().contains("500"), "{unknown}");
    stripe.with(|account| assert_eq!(account.refunds, []));
}
