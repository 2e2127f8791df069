//! What goes wrong is told as a problem (RFC 9457), whatever it is.

use reqwest::Method;
use serde_json::json;
use support::TestApp;

#[expect(clippy::too_many_lines, reason = "a table of mistakes and their problems")]
#[tokio::test]
async fn every_mistake_has_its_problem() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let owner = &acme.owner;
    let post = |body: &'static str, media_type: &'static str| {
        owner
            .request(Method::POST, "/api/v1/leads")
            .header("content-type", media_type)
            .body(body)
    };
    let deep = format!(
        "{{\"name\":\"a\",\"customFields\":{}1{}}}",
        "{\"a\":".repeat(40),
        "}".repeat(40)
    );
    let huge = format!("{{\"name\":\"{}\"}}", "a".repeat(2 << 20));

    for (what, request, status, problem) in [
        (
            "unknown route",
            owner.request(Method::GET, "/api/v1/nothing"),
            404,
            "no-such-route",
        ),
        (
            "unknown route outside",
            owner.request(Method::GET, "/nothing"),
            404,
            "no-such-route",
        ),
        (
            "method",
            owner.request(Method::PUT, "/api/v1/leads"),
            405,
            "method-not-allowed",
        ),
        (
            "bad JSON",
            post("{\"name\":", "application/json"),
            400,
            "malformed-json",
        ),
        (
            "two documents",
            post("{\"name\":\"a\"} {}", "application/json"),
            400,
            "malformed-json",
        ),
        (
            "media type",
            post("name=a", "application/x-www-form-urlencoded"),
            415,
            "unsupported-media-type",
        ),
        (
            "unknown field",
            post("{\"name\":\"a\",\"nmae\":1}", "application/json"),
            422,
            "invalid-input",
        ),
        (
            "NUL",
            post("{\"name\":\"a\\u0000b\"}", "application/json"),
            422,
            "invalid-input",
        ),
        (
            "no UUID",
            owner.request(Method::GET, "/api/v1/leads/42"),
            400,
            "malformed-request",
        ),
        (
            "too deep",
            owner
                .request(Method::POST, "/api/v1/leads")
                .header("content-type", "application/json")
                .body(deep),
            400,
            "malformed-json",
        ),
        (
            "too large",
            owner
                .request(Method::POST, "/api/v1/leads")
                .header("content-type", "application/json")
                .body(huge),
            413,
            "body-too-large",
        ),
        (
            "long query",
            owner.request(
                Method::GET,
                &format!("/api/v1/leads?source={}", "a".repeat(9_000)),
            ),
            414,
            "query-too-long",
        ),
        (
            "if-match",
            owner
                .request(Method::DELETE, &format!("/api/v1/leads/{}", acme.owner_id))
                .header("if-match", "7"),
            400,
            "malformed-request",
        ),
    ] {
        let response = owner.send(request).await;

        assert_eq!(
            (response.status.as_u16(), response.problem().as_str()),
            (status, problem),
            "{what}"
        );
        let body = response.json();
        assert_eq!(body["status"], status, "{what}");
        assert!(
            body["title"].is_string() && body["detail"].is_string(),
            "{what}: {body}"
        );
        assert!(
            body["instance"]
                .as_str()
                .is_some_and(|instance| instance.starts_with("urn:trace:")),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_method_that_is_not_there_is_answered_with_those_that_are() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;

    let response = acme
        .owner
        .send(acme.owner.request(Method::PUT, "/api/v1/leads"))
        .await;

    let mut allowed: Vec<&str> = response.header("allow").unwrap().split(", ").collect();
    allowed.sort_unstable();
    assert!(
        allowed.contains(&"GET") && allowed.contains(&"POST"),
        "{allowed:?}"
    );
}

#[tokio::test]
async fn a_request_keeps_its_id_and_its_trace() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let request = acme
        .owner
        .request(Method::GET, "/api/v1/nothing")
        .header("x-request-id", "my-request-1")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        );

    let response = acme.owner.send(request).await;

    assert_eq!(response.header("x-request-id"), Some("my-request-1"));
    assert_eq!(
        response.json()["instance"],
        "urn:trace:4bf92f3577b34da6a3ce929d0e0e4736"
    );
}

#[tokio::test]
async fn tenant_data_is_private_to_its_caller() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.lead("Ann").await;

    let response = acme.owner.get("/api/v1/leads").await;

    assert!(response.header("cache-control").unwrap().contains("private"));
    let vary = response.header("vary").unwrap().to_ascii_lowercase();
    assert!(
        vary.contains("authorization") && vary.contains("x-tenant-key"),
        "{vary}"
    );
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn health_is_told_to_anybody() {
    let app = TestApp::start().await;
    let anybody = app.anonymous();

    assert_eq!(anybody.get("/health/live").await.status.as_u16(), 200);
    let ready = anybody.get("/health/ready").await.expect(200);
    let health = anybody.get("/api/health").await.expect(200);

    assert!(!ready["reduced"].as_array().unwrap().is_empty(), "{ready}");
    assert_eq!(health["status"], "ok");
    for check in ["database", "disk", "memory"] {
        assert_eq!(health["checks"][check]["status"], "ok", "{health}");
    }
}

#[tokio::test]
async fn the_specification_and_its_pages_are_served_without_any_other_host() {
    let app = TestApp::start().await;
    let anybody = app.anonymous();

    let specification = anybody.get("/openapi.json").await.expect(200);
    let page = anybody.get("/docs/").await;

    assert!(specification["paths"]["/api/v1/leads"]["get"].is_object());
    assert_eq!(page.status.as_u16(), 200);
    let page = String::from_utf8(page.body).unwrap();
    assert!(!page.contains("https://") && !page.contains("http://"), "{page}");
    assert_eq!(json!(anybody.get("/docs/problems").await.status.as_u16()), 200);
}
