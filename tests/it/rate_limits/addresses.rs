//! Limits of network addresses, and which address a client has.

use reqwest::Method;
use serde_json::json;
use support::{Response, TestApp};

use super::{LIST, left, limited, passing};

/// Asks from behind a proxy that has been told to tell `claim` of its client.
async fn asked(app: &TestApp, header: &str, claim: &str) -> Response {
    let anonymous = app.anonymous();
    let request = anonymous.request(Method::GET, LIST).header(header, claim);
    anonymous.send(request).await
}

async fn behind_proxies(header: fairlead::config::ForwardedHeader, requests: u32) -> TestApp {
    TestApp::start_with(|config| {
        config.http.trusted_proxies = Some("127.0.0.0/8, 10.0.0.0/8".to_owned());
        config.http.forwarded_header = header;
        config.rate_limits.shadow = false;
        config.rate_limits.window = super::WINDOW;
        config.rate_limits.address = requests;
    })
    .await
}

#[tokio::test]
async fn an_address_is_limited_before_it_is_known_who_asks_but_for_health_and_operators() {
    let app = limited(|limits| limits.address = 6).await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("ops").await;
    let nobody = app.anonymous().with_key("tk_wrong");

    let first = nobody.get(LIST).await;
    assert_eq!(
        (first.status.as_u16(), left(&first)),
        (401, ("address".to_owned(), 4))
    );
    assert_eq!(passing(&nobody, LIST, 10).await, 4);

    assert_eq!(passing(&acme.owner, LIST, 3).await, 0);
    assert_eq!(passing(&app.anonymous(), "/openapi.json", 3).await, 0);
    for health in ["/health/live", "/health/ready", "/api/health", "/api/v1/health"] {
        assert_eq!(passing(&app.anonymous(), health, 10).await, 10, "{health}");
    }
    // More often than those may try who only say that they are one.
    assert_eq!(
        passing(&operator, "/api/v1/performance/circuit-breakers", 100).await,
        100
    );
    let pretender = app.anonymous().with_token("op_wrong");
    assert_eq!(passing(&pretender, LIST, 3).await, 0);
}

#[tokio::test]
async fn what_operators_ask_uses_nothing_up() {
    let app = limited(|limits| limits.address = 5).await;
    let operator = app.operator("ops").await;

    passing(&operator, "/api/v1/performance/circuit-breakers", 20).await;

    assert_eq!(passing(&app.anonymous(), LIST, 20).await, 5);
}

#[tokio::test]
async fn a_client_cannot_pass_for_another_by_what_it_claims_of_its_address() {
    let app = limited(|limits| limits.address = 3).await;

    for number in 0..3 {
        let claim = format!("192.0.2.{number}");
        assert_eq!(asked(&app, "x-forwarded-for", &claim).await.status, 401);
    }

    assert_eq!(asked(&app, "x-forwarded-for", "192.0.2.77").await.status, 429);
    assert_eq!(asked(&app, "forwarded", "for=192.0.2.77").await.status, 429);
}

#[tokio::test]
async fn behind_trusted_proxies_each_client_is_limited_by_itself_and_cannot_pass_for_another() {
    let app = behind_proxies(fairlead::config::ForwardedHeader::XForwardedFor, 3).await;

    // What the client says of itself stands before what the first trusted proxy says of it.
    for claim in [
        "192.0.2.1",
        "203.0.113.5, 192.0.2.1",
        "203.0.113.6, 192.0.2.1, 10.1.1.1",
    ] {
        assert_eq!(asked(&app, "x-forwarded-for", claim).await.status, 401, "{claim}");
    }
    assert_eq!(
        asked(&app, "x-forwarded-for", "203.0.113.7, 192.0.2.1")
            .await
            .status,
        429
    );
    assert_eq!(asked(&app, "x-forwarded-for", "192.0.2.2").await.status, 401);
    // The header that proxies do not write is not believed: this is the proxy itself.
    for _ in 0..3 {
        assert_eq!(asked(&app, "forwarded", "for=192.0.2.3").await.status, 401);
    }
    assert_eq!(asked(&app, "forwarded", "for=192.0.2.4").await.status, 429);
}

#[tokio::test]
async fn forwarded_counts_where_proxies_write_it_and_a_network_of_ipv6_is_one_client() {
    let app = behind_proxies(fairlead::config::ForwardedHeader::Forwarded, 2).await;

    for host in ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9"] {
        let claim = format!("for=\"[{host}]:4711\";proto=https");
        assert_eq!(asked(&app, "forwarded", &claim).await.status, 401);
    }

    assert_eq!(
        asked(&app, "forwarded", "for=\"[2001:db8:1:2::2]\"").await.status,
        429
    );
    assert_eq!(
        asked(&app, "forwarded", "for=\"[2001:db8:1:3::1]\"").await.status,
        401
    );
}

#[tokio::test]
async fn what_strangers_ask_and_costs_much_is_limited_by_their_addresses() {
    let app = limited(|limits| {
        limits.operations.insert("sign_up".to_owned(), 2);
        limits.operations.insert("login".to_owned(), 1);
    })
    .await;
    let acme = app.tenant("acme").await;
    app.tenant("umbrella").await;

    let third = app.anonymous().post("/api/v1/auth/signup", json!({})).await;
    assert_eq!(
        (third.status.as_u16(), left(&third).0),
        (429, "signUp".to_owned())
    );
    acme.log_in().await;
    let login = json!({ "email": acme.owner_email, "password": support::PASSWORD });
    let second = app.anonymous().post("/api/v1/auth/login", login).await;
    assert_eq!(
        (second.status.as_u16(), left(&second).0),
        (429, "login".to_owned())
    );
    assert_eq!(passing(&acme.owner, LIST, 3).await, 3);
}
