use std::io::Write as _;
use std::time::Instant;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use fairlead_telemetry::request::RequestContext;

use super::cors::Readers;
use crate::consistency::CONSISTENCY;
use crate::state::ApiSettings;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const DENY: HeaderValue = HeaderValue::from_static("DENY");
/// No other site embeds an answer; those that may read it ask by the CORS protocol, which this leaves alone.
const OWN_SITE: HeaderValue = HeaderValue::from_static("same-origin");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
/// Answers are data: nothing in them may run, load or be framed.
const DATA: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// The pages under `/docs` run scripts of their own and set styles in their markup.
const DOCS: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
);
/// The pages need nothing of the machine they are read on.
const NO_DEVICES: HeaderValue =
    HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()");
/// A year, as browsers want it for their preload lists.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");
const BY_CALLER: HeaderValue = HeaderValue::from_static("Authorization, x-tenant-key, Accept-Encoding");
/// The same, where pages of some other sites may read answers.
const BY_CALLER_AND_ORIGIN: HeaderValue =
    HeaderValue::from_static("Authorization, x-tenant-key, Accept-Encoding, Origin");
const BY_CODING_AND_ORIGIN: HeaderValue = HeaderValue::from_static("Accept-Encoding, Origin");
const BY_CODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// What kind of thing a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Api,
    Docs,
    Elsewhere,
}

impl Place {
    pub(super) fn of(path: &str) -> Self {
        if path.starts_with("/api/") {
            Self::Api
        } else if path.starts_with("/docs") {
            Self::Docs
        } else {
            Self::Elsewhere
        }
    }
}

/// Tells browsers and caches what they may do with an answer, and the client which request this was.
pub(super) fn set(
    headers: &mut HeaderMap,
    place: Place,
    readers: &Readers,
    settings: &ApiSettings,
    context: &RequestContext,
    started: Instant,
) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(header::X_FRAME_OPTIONS, DENY);
    headers.insert(header::REFERRER_POLICY, NO_REFERRER);
    headers.insert(header::CROSS_ORIGIN_RESOURCE_POLICY, OWN_SITE);
    let policy = if place == Place::Docs {
        headers.insert(header::CROSS_ORIGIN_OPENER_POLICY, OWN_SITE);
        headers.insert(header::PERMISSIONS_POLICY, NO_DEVICES);
        DOCS
    } else {
        DATA
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    readers.tell(headers);
    if settings.behind_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    if place == Place::Api {
        let vary = if readers.vary() {
            BY_CALLER_AND_ORIGIN
        } else {
            BY_CALLER
        };
        headers.insert(header::VARY, vary);
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, PRIVATE);
        }
    } else {
        let vary = if readers.vary() {
            BY_CODING_AND_ORIGIN
        } else {
            BY_CODING
        };
        headers.insert(header::VARY, vary);
    }
    identify(headers, context, started);
}

/// Says which request this was, what it has written, and how long it took.
fn identify(headers: &mut HeaderMap, context: &RequestContext, started: Instant) {
    let mut timing = Vec::with_capacity(48);
    for (name, took) in [
        ("total;dur=", started.elapsed()),
        (", db;dur=", context.database_work().time),
    ] {
        // Whole numbers are written much faster than others.
        let hundredths = took.as_micros() / 10;
        write!(timing, "{name}{}.{:02}", hundredths / 100, hundredths % 100)
            .expect("a Vec takes all that is written");
    }
    if let Some(name) = context.write_name()
        && let Ok(value) = HeaderValue::try_from(name)
    {
        headers.insert(CONSISTENCY, value);
    }
    for (name, value) in [
        (REQUEST_ID, HeaderValue::from_str(context.request_id().as_str())),
        (SERVER_TIMING, HeaderValue::from_maybe_shared(timing)),
        (TRACEPARENT, HeaderValue::try_from(context.traceparent())),
    ] {
        if let Ok(value) = value {
            headers.insert(name, value);
        }
    }
}
