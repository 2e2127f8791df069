//! What a client prefers about how it is answered: `Prefer` (RFC 7240). A preference that is not known is left aside.

use actix_web::http::header::{HeaderMap, HeaderName};

const PREFER: &str = "prefer";
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
pub(crate) const RESPOND_ASYNC: &str = "respond-async";

/// Documents `Prefer` on an operation that can answer before the work is done.
#[derive(Debug)]
pub(crate) struct Prefer;

/// Whether the client would rather be answered at once, and look for the outcome later (RFC 7240, section 4.1).
pub(crate) fn respond_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all(PREFER).filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .filter_map(|preference| preference.split([';', '=']).next())
        .any(|name| name.trim().eq_ignore_ascii_case(RESPOND_ASYNC))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn the_preference_is_found_among_others() {
        for (values, expected) in [
            (&["respond-async"][..], true),
            (&["wait=10, Respond-Async; q"], true),
            (&["return=minimal", "respond-async"], true),
            (&["return=minimal"], false),
            (&["x-respond-async"], false),
            (&["wait=respond-async"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HeaderName::from_static(PREFER), HeaderValue::from_static(value));
            }

            assert_eq!(respond_async(&headers), expected, "{values:?}");
        }
    }
}
