//! Whose pages may open a connection.
//!
//! A credential is never sent by a browser of its own accord, so a page of another site has none of its visitor's. This
//! keeps those pages out all the same that got hold of one.

use actix_web::HttpRequest;
use actix_web::http::header;

use crate::problem::{Kind, Problem};
use crate::spec::Problematic;

/// The page is of a site that may not.
#[derive(Debug)]
pub(super) struct OtherOrigin(String);

impl From<OtherOrigin> for Problem {
    fn from(OtherOrigin(origin): OtherOrigin) -> Self {
        Self::client(
            Kind::OriginNotAllowed,
            format!("{origin:?} may not open a WebSocket here"),
        )
    }
}

impl Problematic for OtherOrigin {
    const KINDS: &'static [Kind] = &[Kind::OriginNotAllowed];
}

/// Refuses pages of other sites that are none of `allowed`. What is no browser sends no origin, and is let in.
pub(super) fn check(request: &HttpRequest, allowed: &[String]) -> Result<(), OtherOrigin> {
    let Some(origin) = request.headers().get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if is_of(origin, host)
        || allowed
            .iter()
            .any(|one| one == "*" || one.eq_ignore_ascii_case(origin))
    {
        return Ok(());
    }
    Err(OtherOrigin(origin.chars().take(200).collect()))
}

/// Whether a page is of the host that it connects to, over HTTP or HTTPS: TLS may end in front of us.
fn is_of(origin: &str, host: Option<&str>) -> bool {
    let of_origin = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"));
    match (of_origin, host) {
        (Some(of_origin), Some(host)) => of_origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn pages_of_the_host_and_of_those_allowed_may_and_no_others() {
        let allowed = ["https://app.example.com".to_owned()];
        for (origin, may) in [
            (None, true),
            (Some("https://api.example.com:8443"), true),
            (Some("http://API.example.com:8443"), true),
            (Some("https://api.example.com"), false),
            (Some("https://app.example.com"), true),
            (Some("http://app.example.com"), false),
            (Some("https://app.example.com.evil.test"), false),
            (Some("null"), false),
            (Some(""), false),
        ] {
            let mut request = TestRequest::default().insert_header((header::HOST, "api.example.com:8443"));
            if let Some(origin) = origin {
                request = request.insert_header((header::ORIGIN, origin));
            }

            assert_eq!(
                check(&request.to_http_request(), &allowed).is_ok(),
                may,
                "{origin:?}"
            );
        }
    }

    #[test]
    fn an_asterisk_lets_all_in() {
        let request = TestRequest::default().insert_header((header::ORIGIN, "https://anywhere.test"));

        assert!(check(&request.to_http_request(), &["*".to_owned()]).is_ok());
    }
}
