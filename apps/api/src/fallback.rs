use std::sync::LazyLock;

use actix_web::dev::ResourceDef;
use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Map;

use crate::problem::{Kind, Problem};
use crate::spec;

/// Every path of the specification with its methods, as the `Allow` header has them.
static ROUTES: LazyLock<Vec<(ResourceDef, String)>> = LazyLock::new(|| {
    let paths = spec::openapi()["paths"].as_object();
    let mut paths: Vec<_> = paths.into_iter().flat_map(Map::iter).collect();
    // What is spelt out goes before what has a variable, as it does for the router.
    paths.sort_by_key(|(path, _)| path.contains('{'));
    paths
        .into_iter()
        .map(|(path, item)| {
            let mut methods: Vec<String> = item
                .as_object()
                .into_iter()
                .flat_map(Map::keys)
                .map(|m| m.to_uppercase())
                .collect();
            if methods.iter().any(|method| method == "GET") {
                methods.push("HEAD".to_owned());
            }
            methods.push("OPTIONS".to_owned());
            (ResourceDef::new(path.as_str()), methods.join(", "))
        })
        .collect()
});

/// Answers what no handler has taken: an unknown path, or a known one with a method it has not.
pub(crate) async fn fallback(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Some((_, methods)) = find(request.path()) else {
        return Err(Problem::client(
            Kind::NoSuchRoute,
            "there is nothing at this path",
        ));
    };
    if request.method() == Method::OPTIONS {
        return Ok(HttpResponse::NoContent()
            .insert_header((header::ALLOW, methods.as_str()))
            .finish());
    }
    Err(refuse_method(methods))
}

/// Answers everything but health, where a process serves no requests.
pub(crate) async fn unserved() -> Result<HttpResponse, Problem> {
    let detail =
        "this process does other work and serves no requests; it tells how it fares at /health/ready";
    Err(Problem::client(Kind::NoSuchRoute, detail))
}

/// Tells whether a request was routed to a path with a variable only because the path it names, which is spelt out in
/// the specification, lacks its method.
pub(crate) fn misdirected(request: &HttpRequest) -> Option<Problem> {
    let (path, methods) = find(request.path())?;
    (path.pattern() == Some(request.path())).then(|| refuse_method(methods))
}

fn find(path: &str) -> Option<&'static (ResourceDef, String)> {
    ROUTES.iter().find(|(known, _)| known.is_match(path))
}

fn refuse_method(methods: &str) -> Problem {
    Problem::client(Kind::MethodNotAllowed, format!("this path has {methods}")).allow(methods)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_path_that_is_spelt_out_is_not_taken_for_an_id() {
        let misdirected = |path| misdirected(&TestRequest::patch().uri(path).to_http_request());

        let problem = misdirected("/api/v1/leads/statistics").unwrap();
        assert_eq!(problem.kind(), Kind::MethodNotAllowed);
        assert!(problem.to_string().contains("GET, HEAD, OPTIONS"), "{problem}");
        assert!(misdirected("/api/v1/leads/01934f6e-7b1a-7cc3-98a4-0242ac120002").is_none());
        assert!(misdirected("/api/v1/leads/something").is_none());
    }

    #[actix_web::test]
    async fn an_unknown_path_and_an_unknown_method_are_told_apart() {
        let answer = |request: TestRequest| fallback(request.to_http_request());

        let unknown = answer(TestRequest::get().uri("/api/v1/nothing"))
            .await
            .unwrap_err();
        assert_eq!(unknown.kind(), Kind::NoSuchRoute);
        let refused = answer(TestRequest::put().uri("/api/v1/carriers"))
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), Kind::MethodNotAllowed);
        let options = answer(
            TestRequest::default()
                .method(Method::OPTIONS)
                .uri("/api/v1/carriers"),
        )
        .await
        .unwrap();
        assert_eq!(
            options.headers().get(header::ALLOW).unwrap(),
            "GET, POST, HEAD, OPTIONS"
        );
    }
}
