//! Which pages of other sites may call the API and read its answers (the CORS protocol of the Fetch standard).
//!
//! Credentials are never allowed: a browser would send cookies along, and there are none. A page sends the token that it
//! has itself, so to allow an origin is to let its pages read answers, and nothing else.

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::headers::Place;
use crate::problem::{Kind, Problem};

/// Those of the API. GET and HEAD, and POST, need no leave, and stand here for readers.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// What operations take, besides what any page may send.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, cache-control, content-type, fairlead-consistency, idempotency-key, if-match, if-none-match, \
     last-event-id, prefer, traceparent, tracestate, x-no-compression, x-request-id, x-tenant-key",
);
/// What answers tell, besides what any page may read.
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "allow, content-disposition, etag, fairlead-consistency, fairlead-degraded, fairlead-read-source, \
     idempotency-replayed, location, preference-applied, ratelimit, ratelimit-policy, retry-after, server-timing, \
     traceparent, www-authenticate, x-request-id",
);
/// For how long a browser need not ask again: two hours, which is the most that browsers keep it.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const EVERYBODY: HeaderValue = HeaderValue::from_static("*");
const ORIGINS: &str = "*";
const WANTED_METHOD: HeaderName = header::ACCESS_CONTROL_REQUEST_METHOD;

/// Whose pages may read an answer, besides the server's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// Nobody's: no other site is allowed, or it is one of the pages about the API.
    None,
    /// Those of other sites, but not of the one that asks, if one does.
    Others,
    /// Those of this origin.
    Origin(HeaderValue),
    Everybody,
}

impl Readers {
    pub(super) fn of(request: &ServiceRequest, place: Place, allowed: &[String]) -> Self {
        if allowed.is_empty() || place == Place::Docs {
            return Self::None;
        }
        if allowed.iter().any(|one| one == ORIGINS) {
            return Self::Everybody;
        }
        let Some(origin) = request.headers().get(header::ORIGIN) else {
            return Self::Others;
        };
        let is_it = |one: &String| one.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
        if allowed.iter().any(is_it) {
            Self::Origin(origin.clone())
        } else {
            Self::Others
        }
    }

    /// Whether the answer is another one for pages of other origins, so that caches must keep them apart.
    pub(super) fn vary(&self) -> bool {
        matches!(self, Self::Others | Self::Origin(_))
    }

    /// Tells a browser that it may show its page the answer.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        let origin = match self {
            Self::None | Self::Others => return,
            Self::Origin(origin) => origin.clone(),
            Self::Everybody => EVERYBODY,
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
    }
}

/// Answers a browser that asks before it sends what its page wants to send; `None`: it asks for something else.
pub(super) fn preflight(
    request: &ServiceRequest,
    readers: &Readers,
) -> Option<Result<HttpResponse, Problem>> {
    if request.method() != Method::OPTIONS || !request.headers().contains_key(WANTED_METHOD) {
        return None;
    }
    let origin = request.headers().get(header::ORIGIN)?;
    if matches!(readers, Readers::None | Readers::Others) {
        let origin: String = String::from_utf8_lossy(origin.as_bytes())
            .chars()
            .take(200)
            .collect();
        let detail = format!("pages of {origin:?} may not call this API");
        return Some(Err(Problem::client(Kind::OriginNotAllowed, detail)));
    }
    Some(Ok(HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .finish()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn readers(origin: Option<&'static str>, place: Place, allowed: &[&str]) -> Readers {
        let mut request = TestRequest::default();
        if let Some(origin) = origin {
            request = request.insert_header((header::ORIGIN, origin));
        }
        let allowed: Vec<String> = allowed.iter().map(|&one| one.to_owned()).collect();
        Readers::of(&request.to_srv_request(), place, &allowed)
    }

    #[test]
    fn an_origin_is_allowed_exactly_or_not_at_all() {
        let app = "https://app.example.com";
        for (origin, is_allowed) in [
            (Some(app), true),
            (Some("http://app.example.com"), false),
            (Some("https://app.example.com:8443"), false),
            (Some("https://app.example.com.evil.test"), false),
            (Some("https://evil.test/https://app.example.com"), false),
            (Some("null"), false),
            (None, false),
        ] {
            let readers = readers(origin, Place::Api, &["https://other.example.com", app]);

            assert_eq!(
                readers == Readers::Origin(HeaderValue::from_static(app)),
                is_allowed,
                "{origin:?}"
            );
            assert!(readers.vary(), "{origin:?}");
        }
    }

    #[test]
    fn nothing_is_told_where_nobody_is_allowed_and_an_asterisk_to_all_where_everybody_is() {
        let told = |readers: Readers| {
            let mut headers = HeaderMap::new();
            readers.tell(&mut headers);
            (
                headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).cloned(),
                readers.vary(),
            )
        };
        let anywhere = Some("https://anywhere.test");

        assert_eq!(told(readers(anywhere, Place::Api, &[])), (None, false));
        assert_eq!(told(readers(anywhere, Place::Docs, &["*"])), (None, false));
        for origin in [anywhere, None] {
            assert_eq!(
                told(readers(origin, Place::Api, &["*"])),
                (Some(EVERYBODY), false)
            );
        }
    }
}
