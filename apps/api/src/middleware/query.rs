//! An operation that takes no query refuses one: what a client says is never ignored. Those that take one read it by
//! [`QueryReader`], which refuses what it does not know.

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;

use crate::problem::Problem;
use crate::query::{NoQuery, QueryReader};

/// The operations that take a query; a test holds them to the specification, which is too large to be made for this.
pub(super) const QUERIED: [(Method, &str); 40] = [
    (Method::GET, "/api/v1/activities"),
    (Method::GET, "/api/v1/agents"),
    (Method::GET, "/api/v1/analytics/vitals"),
    (Method::GET, "/api/v1/carriers"),
    (Method::GET, "/api/v1/events"),
    (Method::GET, "/api/v1/events/stream"),
    (Method::GET, "/api/v1/leads"),
    (Method::GET, "/api/v1/leads/export"),
    (Method::POST, "/api/v1/leads/export"),
    (Method::POST, "/api/v1/leads/import"),
    (Method::POST, "/api/v1/leads/score"),
    (Method::GET, "/api/v1/leads/search"),
    (Method::GET, "/api/v1/leads/{id}"),
    (Method::GET, "/api/v1/leads/{id}/activities"),
    (Method::GET, "/api/v1/operations"),
    (Method::GET, "/api/v1/performance/acts"),
    (Method::GET, "/api/v1/performance/alerts"),
    (Method::GET, "/api/v1/performance/cache/explain"),
    (
        Method::GET,
        "/api/v1/performance/capacity/forecast/{resourceType}",
    ),
    (Method::GET, "/api/v1/performance/database/slow-queries"),
    (Method::GET, "/api/v1/performance/endpoints"),
    (Method::GET, "/api/v1/performance/jobs"),
    (Method::GET, "/api/v1/performance/jobs/metrics"),
    (Method::POST, "/api/v1/performance/jobs/schedule"),
    (Method::GET, "/api/v1/performance/jobs/{queue}/dead-letter"),
    (Method::POST, "/api/v1/performance/jobs/{queue}/resume"),
    (Method::POST, "/api/v1/performance/jobs/{queue}/retry-failed"),
    (Method::GET, "/api/v1/performance/report"),
    (Method::GET, "/api/v1/performance/slow-requests"),
    (Method::GET, "/api/v1/performance/stats"),
    (Method::GET, "/api/v1/performance/tenants"),
    (Method::GET, "/api/v1/performance/trends"),
    (Method::GET, "/api/v1/performance/web-vitals"),
    (Method::POST, "/api/v1/performance/websocket/cleanup"),
    (Method::GET, "/api/v1/performance/websocket/connections"),
    (Method::GET, "/api/v1/tenant/api-keys"),
    (Method::GET, "/api/v1/usage/days"),
    (Method::GET, "/api/v1/users"),
    (Method::GET, "/api/v1/webhooks"),
    (Method::GET, "/api/v1/webhooks/{id}/deliveries"),
];

/// The operations by PUT, of which there are few; a test holds them to the specification, too.
pub(super) const BY_PUT: [&str; 2] = [
    "/api/v1/performance/alerts/objectives/{name}",
    "/api/v1/performance/alerts/rules/{key}",
];

/// Tells what is wrong with a query that is not to be there.
pub(super) fn uncalled_for(request: &ServiceRequest) -> Option<Problem> {
    let query = request.query_string();
    if query.is_empty() || !request.path().starts_with("/api/v1/") {
        return None;
    }
    // Where there is no operation by a method, the router says so.
    let has_operations = match *request.method() {
        Method::GET | Method::POST | Method::PATCH | Method::DELETE => true,
        Method::PUT => request
            .match_pattern()
            .is_some_and(|path| BY_PUT.contains(&path.as_str())),
        _ => false,
    };
    if !has_operations {
        return None;
    }
    let is_called_for = |path: &str| {
        let mut queried = QUERIED.iter();
        queried.any(|(method, pattern)| *pattern == path && method == request.method())
    };
    // Most paths are patterns themselves, and to find one takes long.
    if is_called_for(request.path()) || is_called_for(&request.match_pattern()?) {
        return None;
    }
    QueryReader::parse::<NoQuery>(query).err()
}
