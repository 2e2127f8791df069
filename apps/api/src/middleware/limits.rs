use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web;

use crate::problem::{Kind, Problem};
use crate::state::{ApiSettings, Services};

/// Refuses requests whose query or headers are too large. Bodies are measured where they are read.
pub(crate) async fn limits<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let services = request
        .app_data::<web::Data<Services>>()
        .expect("the server registers the services");
    match exceeded(&request, &services.settings) {
        None => Ok(next.call(request).await?.map_into_boxed_body()),
        Some(problem) => Ok(request.error_response(problem)),
    }
}

fn exceeded(request: &ServiceRequest, settings: &ApiSettings) -> Option<Problem> {
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
