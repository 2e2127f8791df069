use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use fairlead_domain::cache::{Entry, Found, Freshness, Source};
use fairlead_domain::consistency::NodeName;

use crate::consistency::READ_SOURCE;
use crate::representation::show;
use crate::state::Services;

const DEGRADED: HeaderName = HeaderName::from_static("fairlead-degraded");
/// RFC 7234, section 5.5: what clients and proxies that know it expect of an answer past its time.
const IS_STALE: HeaderValue = HeaderValue::from_static("110 fairlead \"Response is Stale\"");
const REVALIDATION_FAILED: HeaderValue = HeaderValue::from_static("111 fairlead \"Revalidation Failed\"");

/// Whether the client asks for an answer that no cache has kept (RFC 9111, section 5.2.1.4).
pub(super) fn wants_no_cache(request: &HeaderMap) -> bool {
    let directives = request.get_all(header::CACHE_CONTROL);
    directives
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case("no-cache"))
}

/// Answers with what was just loaded from `node`.
pub(super) fn show_loaded(request: &HttpRequest, entry: &Entry, node: Option<&NodeName>) -> HttpResponse {
    let mut response = shown(request, entry);
    // Somebody else's load, for which this request waited, was taken from memory.
    response.headers_mut().insert(
        READ_SOURCE,
        node.map_or(HeaderValue::from_static("l1"), node_name),
    );
    response
}

/// Answers with what the cache has found; `node` is where this request has loaded it, if it had to.
pub(super) fn show_found(request: &HttpRequest, found: &Found, node: Option<&NodeName>) -> HttpResponse {
    let level = match found.source {
        Source::Loader => return show_loaded(request, &found.entry, node),
        Source::Memory => HeaderValue::from_static("l1"),
        Source::Shared => HeaderValue::from_static("l2"),
    };
    let mut response = shown(request, &found.entry);
    let headers = response.headers_mut();
    headers.insert(READ_SOURCE, level);
    headers.insert(header::AGE, HeaderValue::from(found.age.as_secs()));
    match found.freshness {
        Freshness::Fresh => {}
        Freshness::Stale => {
            headers.insert(header::WARNING, IS_STALE);
        }
        Freshness::Degraded => {
            headers.insert(header::WARNING, REVALIDATION_FAILED);
            headers.insert(DEGRADED, HeaderValue::from_static("stale"));
        }
    }
    response
}

fn shown(request: &HttpRequest, entry: &Entry) -> HttpResponse {
    let services = Services::of(request);
    show(
        entry,
        request,
        &services.settings.compression,
        services.clock.now(),
    )
}

/// A node, for `Fairlead-Read-Source`.
pub(crate) fn node_name(node: &NodeName) -> HeaderValue {
    // Names of nodes come from the configuration; one that fits no header is as good as none.
    HeaderValue::from_str(node.as_str()).unwrap_or(HeaderValue::from_static("unnamed"))
}
