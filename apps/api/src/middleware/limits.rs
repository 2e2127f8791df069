use actix_web::dev::ServiceRequest;
use actix_web::http::header;

use crate::problem::{Kind, Problem};
use crate::state::ApiSettings;

/// Tells what is too large about a request: its query or its headers. Bodies are measured where they are read, as they
/// come: one that would have to be unpacked first is refused.
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
    let coding = request.headers().get(header::CONTENT_ENCODING)?;
    if coding.as_bytes().eq_ignore_ascii_case(b"identity") {
        return None;
    }
    Some(Problem::client(
        Kind::UnsupportedCoding,
        "the body must come as it is, without Content-Encoding",
    ))
}
