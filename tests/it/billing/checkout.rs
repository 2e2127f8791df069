//! How plans are paid for.

use futures_util::future::join_all;
use serde_json::{Value, json};
use support::service::Mood;
use support::stripe::{BUSINESS, Stripe, TEAM};
use support::{TestApp, TestTenant, wait_until};

use super::bench::{CHECKOUT, SUBSCRIPTION, has_plan, page, sells, tell};

async fn types_in_log(tenant: &TestTenant) -> Vec<String> {
    let events = tenant.owner.get("/api/v1/events?limit=100").await.expect(200);
    let events = events["items"].as_array().unwrap().iter();
    events
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .filter(|name| name.starts_with("payment") || name.starts_with("subscription"))
        .collect()
}

#[tokio::test]
async fn a_plan_is_paid_for_on_a_page_of_the_provider_and_then_in_force() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let acme = app.tenant("acme").await;
    let before = acme.owner.get(SUBSCRIPTION).await.expect(200);

    let page = page(&acme.owner, "TEAM").await;
    let subscription = stripe.with(support::stripe::Account::pay);
    tell(&app, "evt_1", "customer.subscription.created", &subscription)
        .await
        .expect(200);
    has_plan(&acme, "TEAM").await;

    assert_eq!(
        before,
        json!({
            "plan": "FREE", "status": null, "currentPeriodEnd": null, "cancelAtPeriodEnd": false, "updatedAt": null,
            "limits": [
                { "name": "leads", "maximum": null, "used": 0 },
                { "name": "users", "maximum": null, "used": 1 },
                { "name": "calls", "maximum": null, "used": 0 },
            ],
            "forSale": ["TEAM", "BUSINESS"],
        })
    );
    assert!(
        page["url"]
            .as_str()
            .unwrap()
            .starts_with("https://checkout.stripe.test/")
    );
    assert_eq!(page["expiresAt"], "2100-01-01T00:00:00Z");
    let asked = stripe.asked();
    let [customer, session] = &asked[..2] else {
        panic!("{asked:?}")
    };
    assert_eq!(
        (customer.path.as_str(), session.path.as_str()),
        ("/v1/customers", "/v1/checkout/sessions")
    );
    assert!(
        customer.body.contains("name=acme&email=owner%40acme.test"),
        "{customer:?}"
    );
    let id = page["id"].as_str().unwrap();
    assert_eq!(customer.header("idempotency-key"), format!("{id}-customer"));
    assert_eq!(session.header("idempotency-key"), id);
    assert!(session.body.contains("mode=subscription"), "{session:?}");
    let after = acme.owner.get(SUBSCRIPTION).await.expect(200);
    assert_eq!(
        (
            &after["status"],
            &after["currentPeriodEnd"],
            &after["cancelAtPeriodEnd"]
        ),
        (&json!("ACTIVE"), &json!("2100-01-01T00:00:00Z"), &json!(false))
    );
    wait_until("all is in the log", async || {
        types_in_log(&acme).await == ["payment_requested", "payment_settled", "subscription_updated"]
    })
    .await;
    // Whoever has a plan pays for no other one beside it.
    let again = acme.owner.post(CHECKOUT, json!({ "plan": "BUSINESS" })).await;
    assert_eq!(
        (again.status.as_u16(), again.problem()),
        (409, "conflict".to_owned())
    );
}

#[tokio::test]
async fn whoever_asks_again_gets_the_same_page_and_another_plan_closes_it() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let acme = app.tenant("acme").await;

    let (first, same) = (page(&acme.owner, "TEAM").await, page(&acme.owner, "TEAM").await);
    let other = page(&acme.owner, "BUSINESS").await;

    assert_eq!((&first["url"], &first["id"]), (&same["url"], &same["id"]));
    assert_ne!(first["url"], other["url"]);
    stripe.with(|account| {
        let pages: Vec<_> = account
            .sessions
            .iter()
            .map(|session| (session.price.as_str(), session.status))
            .collect();
        assert_eq!(pages, [(TEAM, "expired"), (BUSINESS, "open")]);
        assert_eq!(account.customers.len(), 1);
    });
}

#[tokio::test]
async fn many_who_ask_at_once_are_led_to_one_page() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let acme = app.tenant("acme").await;

    let pages = join_all((0..8).map(|_| page(&acme.owner, "TEAM"))).await;

    let mut urls: Vec<&Value> = pages.iter().map(|page| &page["url"]).collect();
    urls.dedup();
    assert_eq!(urls.len(), 1, "{urls:?}");
    stripe.with(|account| assert_eq!((account.sessions.len(), account.customers.len()), (1, 1)));
}

#[tokio::test]
async fn what_was_paid_and_not_yet_told_of_is_not_paid_for_again() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let acme = app.tenant("acme").await;
    page(&acme.owner, "TEAM").await;
    stripe.with(support::stripe::Account::pay);

    let mut refused = acme.owner.post(CHECKOUT, json!({ "plan": "BUSINESS" })).await;
    wait_until("it is refused", async || {
        if refused.status == 202 {
            refused = acme.owner.post(CHECKOUT, json!({ "plan": "BUSINESS" })).await;
        }
        refused.status != 202
    })
    .await;

    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (409, "payment-refused".to_owned())
    );
    assert_eq!(refused.json()["detail"], "the checkout before it was paid");
    stripe.with(|account| assert_eq!(account.sessions.len(), 1));
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_effect_is_asked_for_by_the_same_key() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(sells(&stripe)).await;
    let acme = app.tenant("acme").await;
    stripe.be_next([
        Mood::Cuts,
        Mood::Cuts,
        Mood::Cuts,
        Mood::Well,
        Mood::Cuts,
        Mood::Cuts,
    ]);

    let page = page(&acme.owner, "TEAM").await;

    assert_eq!(page["state"], "OPEN");
    assert!(stripe.asked().len() >= 7, "{:?}", stripe.asked());
    stripe.with(|account| assert_eq!((account.sessions.len(), account.customers.len()), (1, 1)));
}

#[tokio::test]
async fn a_refusal_of_the_provider_is_told_by_its_fixed_words_and_is_no_end() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(|config| {
        sells(&stripe)(config);
        config.billing.team.price = Some("price_that_is_gone".to_owned());
    })
    .await;
    let acme = app.tenant("acme").await;

    let refused = acme.owner.post(CHECKOUT, json!({ "plan": "TEAM" })).await;

    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (409, "payment-refused".to_owned())
    );
    let detail: Value = refused.json()["detail"].clone();
    assert_eq!(detail, "400, invalid_request_error resource_missing");
    page(&acme.owner, "BUSINESS").await;
}

#[tokio::test]
async fn only_owners_pay_and_only_for_what_is_for_sale() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(|config| {
        sells(&stripe)(config);
        config.billing.business.price = None;
    })
    .await;
    let acme = app.tenant("acme").await;
    let (_, admin) = acme.user("admin@acme.test", "ADMIN").await;

    let by_admin = admin.post(CHECKOUT, json!({ "plan": "TEAM" })).await;
    let not_for_sale = acme.owner.post(CHECKOUT, json!({ "plan": "BUSINESS" })).await;
    let free = acme.owner.post(CHECKOUT, json!({ "plan": "FREE" })).await;

    assert_eq!(by_admin.status, 403);
    assert_eq!(not_for_sale.problem(), "not-for-sale");
    assert_eq!(
        (free.status.as_u16(), free.problem()),
        (422, "invalid-input".to_owned())
    );
    assert!(stripe.asked().is_empty());
}
