//! What the doctor says of Stripe.

use serde_json::{Value, json};
use support::TestDatabase;
use support::process::Program;
use support::service::Mood;
use support::stripe::{KEY, SECRET, Stripe, TEAM};

async fn check(program: &Program) -> Value {
    let examined = program.run(&["doctor", "--json"]).await;
    let report: Value = serde_json::from_str(&examined.stdout).unwrap_or_else(|_| panic!("{examined:?}"));
    assert!(!examined.stdout.contains(KEY));
    let mut checks = report["checks"].as_array().unwrap().iter();
    checks.find(|check| check["name"] == "stripe").cloned().unwrap()
}

fn mended_by(check: &Value, verdict: &str, key: &str) -> bool {
    check["verdict"] == verdict && check["fix"].as_str().unwrap().contains(key)
}

#[tokio::test]
async fn the_doctor_asks_for_the_prices_and_says_what_mends_what_it_finds() {
    let database = TestDatabase::create().await;
    let stripe = Stripe::stripe().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__BILLING__STRIPE__URL", &stripe.url())
        .with("FAIRLEAD__BILLING__STRIPE__API_KEY", KEY)
        .with("FAIRLEAD__BILLING__STRIPE__WEBHOOK_SECRET", SECRET)
        .with("FAIRLEAD__BILLING__SUCCESS_URL", "https://app.example.com/paid")
        .with("FAIRLEAD__BILLING__TEAM__PRICE", TEAM);

    assert_eq!(
        check(&program).await["detail"],
        json!("it has the prices of 1 plans")
    );
    let other = program
        .clone()
        .with("FAIRLEAD__BILLING__BUSINESS__PRICE", "price_other");
    assert!(mended_by(&check(&other).await, "fail", "billing.business.price"));
    let denied = program
        .clone()
        .with("FAIRLEAD__BILLING__STRIPE__API_KEY", "sk_test_wrong");
    assert!(mended_by(&check(&denied).await, "fail", "billing.stripe.api_key"));
    let deaf = program
        .clone()
        .with("FAIRLEAD__BILLING__STRIPE__WEBHOOK_SECRET", "");
    assert!(mended_by(
        &check(&deaf).await,
        "fail",
        "billing.stripe.webhook_secret"
    ));
    stripe.be(Mood::Html);
    assert!(mended_by(&check(&program).await, "warn", "billing.stripe.url"));

    assert!(
        stripe.asked().iter().all(|asked| asked.method == "GET"),
        "it costs nothing"
    );
}
