//! What browsers are told: whose pages may read answers, what may be done with them, and for how long files are kept.

use reqwest::Method;
use reqwest::header::HeaderMap;
use support::{Client, Response, TestApp};

const APP: &str = "https://app.example.com";
const ELSEWHERE: &str = "https://elsewhere.example.com";

/// What the tokens of a header are.
fn list(headers: &HeaderMap, name: &str) -> Vec<String> {
    let value = headers
        .get(name)
        .map(|value| value.to_str().unwrap().to_ascii_lowercase());
    let value = value.unwrap_or_default();
    value
        .split(',')
        .map(|token| token.trim().to_owned())
        .filter(|token| !token.is_empty())
        .collect()
}

async fn from(client: &Client, origin: &str, method: Method, path: &str) -> Response {
    client
        .send(client.request(method, path).header("origin", origin))
        .await
}

async fn preflight(client: &Client, origin: &str, path: &str) -> Response {
    let request = client
        .request(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization,idempotency-key");
    client.send(request).await
}

async fn open_to_the_app() -> TestApp {
    TestApp::start_with(|config| config.http.allowed_origins = Some(vec![APP.to_owned()])).await
}

#[tokio::test]
async fn pages_of_an_allowed_origin_read_answers_and_are_told_what_stands_in_them() {
    let app = open_to_the_app().await;
    let acme = app.tenant("acme").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);

    for path in [
        "/api/v1/leads",
        lead.as_str(),
        "/api/v1/leads/none",
        "/health/live",
        "/openapi.json",
    ] {
        let answer = from(&acme.owner, APP, Method::GET, path).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
        assert!(
            list(&answer.headers, "vary").contains(&"origin".to_owned()),
            "{path}"
        );
        let exposed = list(&answer.headers, "access-control-expose-headers");
        for header in [
            "etag",
            "location",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "fairlead-consistency",
            "x-request-id",
            "idempotency-replayed",
        ] {
            assert!(exposed.contains(&header.to_owned()), "{path}: {header}");
        }
    }
    // Refused before anybody is known, and by a limit of ours.
    let stranger = from(&app.anonymous(), APP, Method::GET, "/api/v1/leads").await;
    assert_eq!(
        (
            stranger.status.as_u16(),
            stranger.header("access-control-allow-origin")
        ),
        (401, Some(APP))
    );
}

#[tokio::test]
async fn no_other_page_reads_an_answer() {
    let app = open_to_the_app().await;
    let acme = app.tenant("acme").await;

    for origin in [
        ELSEWHERE,
        "null",
        "http://app.example.com",
        "https://app.example.com.evil.test",
        APP_IN_CAPITALS_WITH_PORT,
    ] {
        let answer = from(&acme.owner, origin, Method::GET, "/api/v1/leads").await;
        assert_eq!(answer.status, 200, "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert!(
            list(&answer.headers, "vary").contains(&"origin".to_owned()),
            "{origin}"
        );
        let asked = preflight(&acme.owner, origin, "/api/v1/leads").await;
        assert_eq!(asked.problem(), "origin-not-allowed", "{origin}");
        assert_eq!(asked.header("access-control-allow-origin"), None, "{origin}");
    }
    let docs = from(&acme.owner, APP, Method::GET, "/docs/").await;
    assert_eq!(docs.header("access-control-allow-origin"), None);
}

const APP_IN_CAPITALS_WITH_PORT: &str = "HTTPS://APP.EXAMPLE.COM:444";

#[tokio::test]
async fn a_browser_that_asks_first_is_told_what_its_page_may_send_and_needs_no_credential() {
    let app = open_to_the_app().await;

    let told = preflight(
        &app.anonymous(),
        APP,
        "/api/v1/leads/01934f6e-7b1a-7cc3-98a4-0242ac120002",
    )
    .await;

    assert_eq!((told.status.as_u16(), told.body.len()), (204, 0));
    assert_eq!(told.header("access-control-allow-origin"), Some(APP));
    assert_eq!(told.header("access-control-max-age"), Some("7200"));
    let methods = list(&told.headers, "access-control-allow-methods");
    assert!(
        ["get", "post", "patch", "delete"]
            .iter()
            .all(|method| methods.contains(&(*method).to_owned()))
    );
    let headers = list(&told.headers, "access-control-allow-headers");
    for header in [
        "authorization",
        "x-tenant-key",
        "content-type",
        "idempotency-key",
        "if-match",
        "fairlead-consistency",
    ] {
        assert!(headers.contains(&header.to_owned()), "{header}");
    }
    // A plain question for the methods is another one.
    let options = from(&app.anonymous(), APP, Method::OPTIONS, "/api/v1/carriers").await;
    assert!(options.header("access-control-allow-methods").is_none());
}

#[tokio::test]
async fn every_page_may_read_where_that_is_configured_and_none_where_nothing_is() {
    let open = TestApp::start_with(|config| config.http.allowed_origins = Some(vec!["*".to_owned()])).await;
    let closed = TestApp::start().await;

    let anywhere = from(&open.anonymous(), ELSEWHERE, Method::GET, "/health/live").await;
    assert_eq!(anywhere.header("access-control-allow-origin"), Some("*"));
    assert_eq!(anywhere.header("access-control-allow-credentials"), None);
    let nowhere = from(&closed.anonymous(), ELSEWHERE, Method::GET, "/health/live").await;
    assert_eq!(nowhere.header("access-control-allow-origin"), None);
    assert!(!list(&nowhere.headers, "vary").contains(&"origin".to_owned()));
    assert_eq!(
        preflight(&closed.anonymous(), ELSEWHERE, "/api/v1/leads")
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn answers_say_what_browsers_may_do_with_them() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let stranger = app.anonymous();
    let answers = [
        acme.owner.get("/api/v1/leads").await,
        acme.owner.get("/api/v1/leads/none").await,
        stranger.get("/api/v1/leads").await,
        stranger.get("/nothing").await,
        stranger.get("/openapi.json").await,
        stranger.get("/docs/").await,
        stranger.get("/docs/swagger-ui.css").await,
        stranger.get("/docs/problems").await,
    ];

    for (place, answer) in answers.iter().enumerate() {
        let is = |name, value| assert_eq!(answer.header(name), Some(value), "{place}: {name}");
        is("x-content-type-options", "nosniff");
        is("x-frame-options", "DENY");
        is("referrer-policy", "no-referrer");
        is("cross-origin-resource-policy", "same-origin");
        assert_eq!(answer.header("strict-transport-security"), None, "{place}");
        assert_eq!(answer.header("server"), None, "{place}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{place}: {policy}"
        );
        let is_page = place >= 5;
        assert_eq!(policy.contains("script-src 'self'"), is_page, "{place}: {policy}");
        assert!(
            !policy.contains("script-src 'self' 'unsafe-inline'") && !policy.contains("unsafe-eval"),
            "{policy}"
        );
        assert_eq!(
            answer.header("cross-origin-opener-policy").is_some(),
            is_page,
            "{place}"
        );
        assert_eq!(answer.header("permissions-policy").is_some(), is_page, "{place}");
    }
}

#[tokio::test]
async fn clients_are_held_to_https_only_where_it_is_said_to_be_in_front() {
    let app = TestApp::start_with(|config| config.http.hsts = true).await;

    let answer = app.anonymous().get("/health/live").await;

    assert_eq!(
        answer.header("strict-transport-security"),
        Some("max-age=31536000; includeSubDomains")
    );
}

#[tokio::test]
async fn files_of_the_docs_are_named_by_their_bytes_and_kept_for_ever() {
    let app = TestApp::start().await;
    let browser = app.anonymous();

    let page = browser.get("/docs/").await;
    let html = String::from_utf8(page.body).unwrap();
    let files: Vec<&str> = html
        .split('"')
        .filter(|part| part.contains(".js") || part.contains(".css") || part.contains(".png"))
        .map(|part| part.trim_start_matches("./"))
        .collect();

    assert!(files.len() >= 6, "{html}");
    assert!(
        page.headers["cache-control"]
            .to_str()
            .unwrap()
            .contains("no-cache")
    );
    for file in files {
        assert!(file.contains("?v="), "{file}");
        let named = browser.get(&format!("/docs/{file}")).await;
        assert_eq!(named.status, 200, "{file}");
        assert_eq!(
            named.header("cache-control"),
            Some("public, max-age=31536000, immutable"),
            "{file}"
        );
        let (name, version) = file.split_once("?v=").unwrap();
        // Under another name it may be another one tomorrow.
        for other in [name.to_owned(), format!("{name}?v=made-up")] {
            let unnamed = browser.get(&format!("/docs/{other}")).await;
            assert_eq!(
                unnamed.header("cache-control"),
                Some("public, no-cache"),
                "{other}"
            );
            assert_eq!(
                unnamed.header("etag"),
                Some(format!("\"{version}\"").as_str()),
                "{other}"
            );
        }
        let again = browser.request(Method::GET, &format!("/docs/{name}"));
        let again = browser
            .send(again.header("if-none-match", format!("\"{version}\"")))
            .await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{file}");
    }
}

#[tokio::test]
async fn files_of_the_docs_come_compressed_to_whoever_takes_that() {
    let app = TestApp::start().await;
    let browser = app.anonymous();
    let path = "/docs/swagger-ui-bundle.js";
    let plain = browser.get(path).await;

    for coding in ["gzip", "br", "zstd"] {
        let request = browser
            .request(Method::GET, path)
            .header("accept-encoding", coding);
        let packed = browser.send(request).await;
        assert_eq!(packed.header("content-encoding"), Some(coding));
        assert!(
            packed.body.len() * 2 < plain.body.len(),
            "{coding}: {}",
            packed.body.len()
        );
    }
    assert_eq!(plain.header("content-encoding"), None);
    assert!(plain.header("content-type").unwrap().contains("javascript"));
}
