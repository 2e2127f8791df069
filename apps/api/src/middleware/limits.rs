use actix_web::dev::ServiceRequest;

use crate::problem::{Kind, Problem};
use crate::state::ApiSettings;

/// Tells what is too large about a request: its query or its headers. Bodies are measured where they are read.
pub(super) fn exceeded(request: &ServiceRequest, settings: &ApiSettings) -> Option<Problem> {
    let (query, max_query) = (request.query_string().len(), settings.max_query_bytes);
    if query > max_query {
        let detail = format!("the query must have at most {max_query} bytes, has {query}");
        return Some(Problem::client(Kind::QueryTooLong, detail));
    }
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum::<usize>();
    let max_headers = settings.max_header_bytes;
    if headers > max_headers {
        let detail = format!("the headers must have at most {max_headers} bytes, have {headers}");
        return Some(Problem::client(Kind::HeadersTooLarge, detail));
    }
    None
}
