//! Who is not called.

use serde_json::{Value, json};
use support::{Receiver, TestApp};

use super::bench::{WEBHOOKS, local, make, post, until_newest};

#[tokio::test]
async fn a_url_that_must_not_be_called_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;

    for (url, detail) in [
        ("nonsense", "must be a URL such as https://example.com/webhooks"),
        ("http://example.com/", "must begin with https://"),
        ("ftp://example.com/", "must begin with https://"),
        (
            "https://ann:secret@example.com/",
            "must not hold a user name or a password",
        ),
        (
            "https://127.0.0.1/",
            "must not name a private, local or reserved address",
        ),
        (
            "https://0x7f.1/",
            "must not name a private, local or reserved address",
        ),
        (
            "https://169.254.169.254/latest/meta-data/",
            "must not name a private, local or reserved address",
        ),
        (
            "https://[::ffff:10.0.0.1]/",
            "must not name a private, local or reserved address",
        ),
        (
            "https://[fd00:ec2::254]/",
            "must not name a private, local or reserved address",
        ),
    ] {
        let refused = acme.owner.post(WEBHOOKS, json!({"url": url})).await;
        assert_eq!(refused.problem(), "invalid-input", "{url}");
        let errors = refused.json()["errors"].clone();
        assert_eq!(errors, json!([{"pointer": "/url", "detail": detail}]), "{url}");
    }
    let made = make(&acme.owner, "https://example.com", json!({})).await;
    let refused = acme
        .owner
        .patch(&made.path, json!({"url": "https://10.0.0.1/"}))
        .await;
    assert_eq!(refused.problem(), "invalid-input");
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_not_called() {
    let app = TestApp::start_with(|config| {
        local(config);
        config.webhooks.allowed_networks = None;
    })
    .await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(
        &acme.owner,
        &format!("http://localhost:{}/", receiver.port()),
        json!({}),
    )
    .await;

    post(&acme.owner, &format!("{}/ping", webhook.path))
        .await
        .expect(202);
    let failed = until_newest(&acme.owner, &webhook, "FAILED").await;

    assert_eq!(failed["fault"], "the receiver's name leads to no public address");
    assert_eq!(failed["statusCode"], Value::Null);
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn what_was_allowed_once_is_looked_at_again_with_each_attempt() {
    let mut app = TestApp::start_with(local).await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(&acme.owner, &receiver.url("/"), json!({})).await;

    app.restart_with(|config| config.webhooks.allowed_networks = None)
        .await;
    post(&acme.owner, &format!("{}/ping", webhook.path))
        .await
        .expect(202);
    let failed = until_newest(&acme.owner, &webhook, "FAILED").await;

    assert_eq!(
        failed["fault"],
        "the URL must not name a private, local or reserved address"
    );
    assert!(receiver.received().is_empty());
}
