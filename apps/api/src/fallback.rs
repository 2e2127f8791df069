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
    let Some((_, methods)) = ROUTES.iter().find(|(path, _)| path.is_match(request.path())) else {
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
    Err(Problem::client(Kind::MethodNotAllowed, format!("this path has {methods}")).allow(methods.as_str()))
}
