use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::Value;

use super::guard::guarded;
use super::query::{BY_PUT, QUERIED};
use crate::problem::{Kind, Problem};
use crate::spec::openapi;

type Handled = Result<HttpResponse, actix_web::Error>;

async fn done() -> Handled {
    tokio::task::yield_now().await;
    Ok(HttpResponse::NoContent().finish())
}

#[actix_web::test]
async fn a_panic_is_an_internal_error_of_one_request() {
    let panics = std::future::poll_fn(|_| panic!("the table is laid for thirteen"));

    let problem = guarded::<HttpResponse>(None, panics).await.unwrap_err();

    assert_eq!(problem.kind(), Kind::Internal);
    assert!(problem.cause().unwrap().to_string().contains("thirteen"));
    assert!(!problem.to_string().contains("thirteen"), "{problem}");
}

#[actix_web::test]
async fn work_that_does_not_end_is_given_up_at_its_deadline() {
    let started = Instant::now();
    let endless = std::future::pending::<Handled>();

    let problem = guarded(Some(Duration::from_millis(50)), endless)
        .await
        .unwrap_err();

    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(problem.kind(), Kind::DeadlineExceeded);
}

#[actix_web::test]
async fn without_a_deadline_work_goes_on() {
    let response = guarded(None, done()).await.unwrap();

    assert_eq!(response.status(), StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn an_error_of_ours_stays_what_it_is_and_another_becomes_a_problem() {
    let ours = async { Handled::Err(Problem::not_found().into()) };
    assert_eq!(guarded(None, ours).await.unwrap_err().kind(), Kind::NotFound);

    let foreign = async { Handled::Err(actix_web::error::ErrorBadRequest("the path is not UTF-8")) };
    assert_eq!(
        guarded(None, foreign).await.unwrap_err().kind(),
        Kind::MalformedRequest
    );
}

#[test]
fn a_query_is_called_for_where_the_specification_has_one() {
    let takes_query = |operation: &Value| {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters.into_iter().any(|parameter| parameter["in"] == "query")
    };
    let mut specified = Vec::new();
    let mut by_put = Vec::new();
    for (path, operations) in openapi()["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if method == "put" {
                by_put.push(path.clone());
            }
            if path.starts_with("/api/v1/") && takes_query(operation) {
                specified.push((method.to_uppercase(), path.clone()));
            }
        }
    }

    let queried = QUERIED.map(|(method, path)| (method.to_string(), path.to_owned()));

    assert_eq!(queried.to_vec(), specified);
    assert_eq!(BY_PUT.to_vec(), by_put);
}
