//! An operation that takes no query refuses one: what a client says is never ignored. Those that take one read it by
//! [`QueryReader`], which refuses what it does not know.

use std::collections::HashSet;
use std::sync::LazyLock;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use serde_json::Value;

use crate::problem::Problem;
use crate::query::{NoQuery, QueryReader};
use crate::spec;

/// The operations that take a query: method and pattern of the path.
static QUERIED: LazyLock<HashSet<(Method, String)>> = LazyLock::new(queried);

/// Tells what is wrong with a query that is not to be there.
pub(super) fn uncalled_for(request: &ServiceRequest) -> Option<Problem> {
    let query = request.query_string();
    if query.is_empty() || !request.path().starts_with("/api/v1/") {
        return None;
    }
    let pattern = request.match_pattern()?;
    if QUERIED.contains(&(request.method().clone(), pattern)) {
        return None;
    }
    QueryReader::parse::<NoQuery>(query).err()
}

fn queried() -> HashSet<(Method, String)> {
    let paths = spec::openapi()["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        let operations = item.as_object().into_iter().flatten();
        operations.map(move |(method, operation)| (path, method, operation))
    });
    operations
        .filter(|(_, _, operation)| takes_query(operation))
        .filter_map(|(path, method, _)| {
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).ok()?;
            Some((method, path.clone()))
        })
        .collect()
}

fn takes_query(operation: &Value) -> bool {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    parameters.into_iter().any(|parameter| parameter["in"] == "query")
}
