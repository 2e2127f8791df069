use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, HttpResponse, web};
use fairlead_telemetry::request::{self, RequestContext};
use serde_json::Value;

use super::{deadline, panic_barrier};

fn context(deadline: Option<Instant>) -> Arc<RequestContext> {
    Arc::new(RequestContext::from_headers(None, None, deadline))
}

#[actix_web::test]
async fn a_panic_is_an_internal_error_of_one_request() {
    async fn panics() -> HttpResponse {
        panic!("the table is laid for thirteen")
    }
    let app = App::new()
        .route("/", web::to(panics))
        .wrap(from_fn(panic_barrier));
    let app = init_service(app).await;

    for _ in 0..2 {
        let response = call_service(&app, TestRequest::get().to_request()).await;

        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body: Value = read_body_json(response).await;
        assert_eq!(body["type"], "https://fairlead.dev/problems/internal-error");
        assert!(!body.to_string().contains("thirteen"), "{body}");
    }
}

#[actix_web::test]
async fn work_that_does_not_end_is_given_up_at_its_deadline() {
    let app = App::new()
        .route("/", web::to(std::future::pending::<HttpResponse>))
        .wrap(from_fn(deadline));
    let app = init_service(app).await;

    let started = Instant::now();
    let context = context(Some(started + Duration::from_millis(50)));
    let response = request::scope(context, call_service(&app, TestRequest::get().to_request())).await;

    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    let body: Value = read_body_json(response).await;
    assert_eq!(body["type"], "https://fairlead.dev/problems/deadline-exceeded");
    assert!(
        body["instance"].as_str().unwrap().starts_with("urn:trace:"),
        "{body}"
    );
}

#[actix_web::test]
async fn without_a_deadline_work_goes_on() {
    async fn works() -> HttpResponse {
        tokio::task::yield_now().await;
        HttpResponse::NoContent().finish()
    }
    let app = App::new().route("/", web::to(works)).wrap(from_fn(deadline));
    let app = init_service(app).await;

    let response = request::scope(context(None), call_service(&app, TestRequest::get().to_request())).await;

    assert_eq!(response.status(), StatusCode::NO_CONTENT);
}
