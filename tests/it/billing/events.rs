//! What Stripe tells.

use fairlead::config::Secret;
use serde_json::{Value, json};
use support::service::Mood;
use support::stripe::{BUSINESS, SECRET, Stripe, TEAM, event, signature, subscription};
use support::{Client, TestApp, wait_until};

use super::bench::{SUBSCRIPTION, customer, has_plan, now, sells, tell, tell_signed};

const UPDATED: &str = "customer.subscription.updated";

fn outcome(told: &Value) -> &str {
    assert_eq!(told["received"], true);
    told["outcome"].as_str().unwrap()
}

async fn status(client: &Client) -> Value {
    client.get(SUBSCRIPTION).await.expect(200)["status"].clone()
}

#[tokio::test]
async fn only_what_is_signed_with_a_secret_in_force_and_lately_is_taken() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(|config| {
        sells(&stripe)(config);
        config.billing.stripe.old_webhook_secret = Some(Secret::new("whsec_before"));
    })
    .await;
    let (_, id) = customer(&app, &stripe, "acme").await;
    let body = event("evt_1", UPDATED, &subscription("sub_1", &id, TEAM, "active", 1));
    let at = now(&app);
    let asked = stripe.asked().len();

    for header in [
        String::new(),
        "t=1,v1=00".to_owned(),
        signature("whsec_other", at, &body),
        signature(SECRET, at - 301, &body),
        signature(SECRET, at + 305, &body),
        signature(SECRET, at, &body.replace("evt_1", "evt_2")),
    ] {
        let refused = tell_signed(&app, &header, body.clone()).await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem()),
            (400, "malformed-request".to_owned()),
            "{header}"
        );
    }
    assert_eq!(stripe.asked().len(), asked);
    let old = tell_signed(&app, &signature("whsec_before", at, &body), body.clone()).await;
    assert_eq!(outcome(&old.expect(200)), "taken");
    let both = format!(
        "{},{}",
        signature("whsec_other", at, &body),
        &signature(SECRET, at, &body)[format!("t={at},").len()..]
    );
    assert_eq!(
        outcome(&tell_signed(&app, &both, body).await.expect(200)),
        "known"
    );
    let nonsense = "{\"id\": 7}".to_owned();
    let signed = signature(SECRET, at, &nonsense);
    assert_eq!(tell_signed(&app, &signed, nonsense).await.status, 400);
    let long = " ".repeat(1024 * 1024 + 1);
    assert_eq!(tell_signed(&app, "t=1,v1=00", long).await.status, 413);
}

#[tokio::test]
async fn what_is_told_twice_is_asked_for_once() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    let shown = stripe.with(|account| account.subscribe(&id, TEAM));
    tell(&app, "evt_1", UPDATED, &shown).await.expect(200);
    has_plan(&acme, "TEAM").await;
    let asked = stripe.asked().len();

    let mut telling = Vec::new();
    for _ in 0..10 {
        telling.push(outcome(&tell(&app, "evt_1", UPDATED, &shown).await.expect(200)).to_owned());
    }

    assert_eq!(telling, vec!["known"; 10]);
    assert_eq!(stripe.asked().len(), asked);
}

#[tokio::test]
async fn an_older_event_that_comes_late_does_not_bring_an_older_state_back() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    let older = stripe.with(|account| account.subscribe(&id, BUSINESS));
    let newer = stripe.with(|account| {
        account.change(&id, |subscription| subscription["status"] = json!("canceled"));
        account.subscriptions[&id][0].clone()
    });

    tell(&app, "evt_2", "customer.subscription.deleted", &newer)
        .await
        .expect(200);
    wait_until("it is canceled", async || status(&acme.owner).await == "CANCELED").await;
    let asked = stripe.asked().len();
    tell(&app, "evt_1", UPDATED, &older).await.expect(200);
    wait_until("it was asked for", async || stripe.asked().len() > asked).await;
    // As much as the body says that it is active.
    tell(&app, "evt_3", UPDATED, &older).await.expect(200);
    wait_until("it was asked for", async || stripe.asked().len() > asked + 1).await;

    let now = acme.owner.get(SUBSCRIPTION).await.expect(200);
    assert_eq!(
        (&now["plan"], &now["status"]),
        (&json!("FREE"), &json!("CANCELED"))
    );
}

#[tokio::test]
async fn what_is_told_while_it_is_asked_for_is_asked_for_again() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    stripe.with(|account| account.subscribe(&id, TEAM));

    // Many changes at once, of which the last one counts; some answers come late or not at all.
    for number in 0..40 {
        let status = if number % 2 == 0 { "past_due" } else { "active" };
        let shown = stripe.with(|account| {
            account.change(&id, |subscription| subscription["status"] = json!(status));
            account.subscriptions[&id][0].clone()
        });
        if number % 8 == 3 {
            stripe.be_next([Mood::Cuts]);
        }
        tell(&app, &format!("evt_{number}"), UPDATED, &shown)
            .await
            .expect(200);
    }

    wait_until("the last one is kept", async || {
        status(&acme.owner).await == "ACTIVE"
    })
    .await;
    stripe.with(|account| account.change(&id, |subscription| subscription["status"] = json!("unpaid")));
    let shown = stripe.with(|account| account.subscriptions[&id][0].clone());
    tell(&app, "evt_last", UPDATED, &shown).await.expect(200);
    wait_until("it is kept", async || status(&acme.owner).await == "UNPAID").await;
    has_plan(&acme, "FREE").await;
}

#[tokio::test]
async fn whose_event_it_is_is_known_by_the_customer_alone() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    let (umbrella, _) = customer(&app, &stripe, "umbrella").await;
    let mut shown = stripe.with(|account| account.subscribe(&id, TEAM));
    shown["metadata"] = json!({ "tenant": umbrella.id });

    assert_eq!(
        outcome(&tell(&app, "evt_1", UPDATED, &shown).await.expect(200)),
        "taken"
    );
    has_plan(&acme, "TEAM").await;
    assert_eq!(status(&umbrella.owner).await, Value::Null);
    // Of another product of the same account, and of what is none of ours.
    shown["customer"] = json!("cus_of_somebody_else");
    for (number, kind) in [UPDATED, "charge.refunded", "a.type.of.tomorrow"]
        .into_iter()
        .enumerate()
    {
        let told = tell(&app, &format!("evt_9{number}"), kind, &shown)
            .await
            .expect(200);
        assert_eq!(outcome(&told), "ignored", "{kind}");
    }
}

#[tokio::test]
async fn a_subscription_of_another_customer_in_the_answer_is_taken_for_none() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    let others = subscription("sub_9", "cus_other", TEAM, "active", 9);
    stripe.with(|account| account.subscriptions.insert(id.clone(), vec![others.clone()]));
    let asked = stripe.asked().len();

    tell(
        &app,
        "evt_1",
        UPDATED,
        &subscription("sub_9", &id, TEAM, "active", 9),
    )
    .await
    .expect(200);
    wait_until("it was asked for more than once", async || {
        stripe.asked().len() > asked + 1
    })
    .await;

    assert_eq!(status(&acme.owner).await, Value::Null);
}

#[tokio::test]
async fn a_customer_that_stripe_does_not_know_any_more_has_no_plan_that_costs() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    for (name, is_known) in [("acme", false), ("umbrella", true)] {
        let (tenant, id) = customer(&app, &stripe, name).await;
        let shown = stripe.with(|account| account.subscribe(&id, BUSINESS));
        tell(&app, &format!("evt_{name}"), UPDATED, &shown)
            .await
            .expect(200);
        has_plan(&tenant, "BUSINESS").await;

        // Its customer was removed, or all that it had is gone.
        stripe.with(|account| {
            account.subscriptions.remove(&id);
            if !is_known {
                account.removed.insert(id.clone());
            }
        });
        let event = format!("evt_{name}_gone");
        tell(&app, &event, "customer.subscription.deleted", &shown)
            .await
            .expect(200);

        has_plan(&tenant, "FREE").await;
        assert_eq!(status(&tenant.owner).await, "CANCELED");
    }
}

#[tokio::test]
async fn a_refusal_of_stripe_takes_no_plan_away_and_is_asked_about_again() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    let shown = stripe.with(|account| account.subscribe(&id, TEAM));
    tell(&app, "evt_1", UPDATED, &shown).await.expect(200);
    has_plan(&acme, "TEAM").await;

    // It says no to the question, and nothing of the subscription.
    for status in [402, 403, 404] {
        stripe.with(|account| {
            account.change(&id, |subscription| subscription["status"] = json!("canceled"));
            account.refuses = Some(status);
        });
        let asked = stripe.asked().len();
        tell(&app, &format!("evt_{status}"), UPDATED, &shown)
            .await
            .expect(200);
        wait_until("it was asked more than once", async || {
            stripe.asked().len() > asked + 1
        })
        .await;
        let meanwhile = acme.owner.get(SUBSCRIPTION).await.expect(200);
        assert_eq!(
            (&meanwhile["plan"], &meanwhile["status"]),
            (&json!("TEAM"), &json!("ACTIVE")),
            "{status}"
        );
        stripe.with(|account| account.refuses = None);
        has_plan(&acme, "FREE").await;

        stripe.with(|account| account.change(&id, |subscription| subscription["status"] = json!("active")));
        tell(&app, &format!("evt_{status}_again"), UPDATED, &shown)
            .await
            .expect(200);
        has_plan(&acme, "TEAM").await;
    }
}

#[tokio::test]
async fn without_a_secret_nothing_is_taken() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(|config| {
        sells(&stripe)(config);
        config.billing.stripe.webhook_secret = None;
    })
    .await;

    let refused = tell(&app, "evt_1", UPDATED, &json!({})).await;

    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (404, "not-found".to_owned())
    );
}
