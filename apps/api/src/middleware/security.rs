use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web;

use crate::state::Services;

/// Answers are data: nothing in them may run, load or be framed.
const DATA: &str = "default-src 'none'; frame-ancestors 'none'";
/// The pages under `/docs` run scripts of their own and set styles in their markup.
const DOCS: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                    font-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
/// A year, as browsers want it for their preload lists.
const HSTS: &str = "max-age=31536000; includeSubDomains";

/// Tells browsers and caches what they may do with an answer.
pub(crate) async fn security_headers<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let services = request
        .app_data::<web::Data<Services>>()
        .expect("the server registers the services");
    let behind_tls = services.settings.behind_tls;
    let is_api = request.path().starts_with("/api/");
    let is_docs = request.path().starts_with("/docs");

    let mut response = next.call(request).await?.map_into_boxed_body();
    let headers = response.headers_mut();
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::X_FRAME_OPTIONS, "DENY");
    set(headers, header::REFERRER_POLICY, "no-referrer");
    set(
        headers,
        header::CONTENT_SECURITY_POLICY,
        if is_docs { DOCS } else { DATA },
    );
    if behind_tls {
        set(headers, header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    if is_api {
        set(
            headers,
            header::VARY,
            "Authorization, x-tenant-key, Accept-Encoding",
        );
        if !headers.contains_key(header::CACHE_CONTROL) {
            set(headers, header::CACHE_CONTROL, "private, no-cache");
        }
    }
    Ok(response)
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
