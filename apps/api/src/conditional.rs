//! Conditional requests (RFC 9110, section 13): strong entity tags, `If-None-Match` and `If-Match`.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fairlead_domain::Expected;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::problem::{Kind, Problem};

/// A strong entity tag, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag(String);

impl EntityTag {
    /// The tag of a resource in its usual representation.
    pub fn version(version: i64) -> Self {
        Self(version.to_string())
    }

    /// The tag of another representation of the same version: what it shows, or what it shows that has no version.
    #[must_use]
    pub fn variant(self, variant: &str) -> Self {
        Self(format!("{}.{variant}", self.0))
    }

    /// The tag of exactly these bytes.
    pub fn digest(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        Self(URL_SAFE_NO_PAD.encode(&digest[..18]))
    }

    /// As it stands in headers.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }

    /// Whether `If-None-Match` says that the client has it already.
    fn is_known_to(&self, request: &HttpRequest) -> bool {
        request
            .headers()
            .get_all(header::IF_NONE_MATCH)
            .filter_map(|value| value.to_str().ok())
            .any(|list| {
                let quoted = self.quoted();
                list.split(',')
                    .map(str::trim)
                    .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == quoted)
            })
    }
}

/// Answers a GET of one resource: 304 when the client has this version, else 200.
pub fn answer(request: &HttpRequest, tag: &EntityTag, view: &impl Serialize) -> HttpResponse {
    if tag.is_known_to(request) {
        return not_modified(tag);
    }
    with_tag(tag).json(view)
}

/// Answers a GET whose bytes decide the tag: lists.
pub fn answer_by_digest(request: &HttpRequest, view: &impl Serialize) -> HttpResponse {
    let bytes = serde_json::to_vec(view).expect("views are plain data with string keys");
    let tag = EntityTag::digest(&bytes);
    if tag.is_known_to(request) {
        return not_modified(&tag);
    }
    with_tag(&tag).content_type("application/json").body(bytes)
}

/// Answers a GET of one resource whose version does not tell all that is shown.
pub fn answer_by_version_and_digest(
    request: &HttpRequest,
    version: EntityTag,
    view: &impl Serialize,
) -> HttpResponse {
    let bytes = serde_json::to_vec(view).expect("views are plain data with string keys");
    let EntityTag(digest) = EntityTag::digest(&bytes);
    answer_ready(
        request,
        &version.variant(&digest),
        "application/json",
        bytes.into(),
    )
}

/// Answers a GET of bytes that are ready, and whose tag is known.
pub(crate) fn answer_ready(
    request: &HttpRequest,
    tag: &EntityTag,
    media_type: &'static str,
    bytes: actix_web::web::Bytes,
) -> HttpResponse {
    if tag.is_known_to(request) {
        return not_modified(tag);
    }
    with_tag(tag).content_type(media_type).body(bytes)
}

/// Answers a change with the resource as it is now.
pub fn changed(tag: &EntityTag, view: &impl Serialize) -> HttpResponse {
    with_tag(tag).json(view)
}

fn with_tag(tag: &EntityTag) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::ETAG, tag.quoted()));
    response
}

fn not_modified(tag: &EntityTag) -> HttpResponse {
    HttpResponse::NotModified()
        .insert_header((header::ETAG, tag.quoted()))
        .finish()
}

/// The version that `If-Match` asks for; any, when there is no such header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Expected);

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut given = request.headers().get_all(header::IF_MATCH);
        let parsed = match (given.next(), given.next()) {
            (None, _) => Ok(Expected::Any),
            (Some(one), None) => one.to_str().map_err(|_| malformed()).and_then(parse),
            (Some(_), Some(_)) => Err(malformed()),
        };
        ready(parsed.map(Self))
    }
}

/// Reads `*` or one entity tag. All representations of a version match it.
fn parse(header: &str) -> Result<Expected, Problem> {
    let header = header.trim();
    if header == "*" {
        return Ok(Expected::Any);
    }
    let tag = header.strip_prefix("W/").unwrap_or(header);
    let tag = tag
        .strip_prefix('"')
        .and_then(|tag| tag.strip_suffix('"'))
        .ok_or_else(malformed)?;
    if tag.contains('"') {
        return Err(malformed());
    }
    let version = tag.split('.').next().unwrap_or_default();
    // A sign is not part of ours, though `parse` would take one.
    match version
        .parse::<i64>()
        .ok()
        .filter(|_| version.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or(())
    {
        // A weak tag never matches strongly, and a tag that is not ours names no version that ever was.
        Ok(version) if version > 0 && !header.starts_with("W/") => Ok(Expected::Version(version)),
        _ => Ok(Expected::Version(0)),
    }
}

fn malformed() -> Problem {
    Problem::client(
        Kind::MalformedRequest,
        "If-Match must be * or one entity tag as ETag gave it, such as \"7\"",
    )
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn if_match_names_a_version_in_any_representation() {
        assert_eq!(parse("*").unwrap(), Expected::Any);
        assert_eq!(parse("\"7\"").unwrap(), Expected::Version(7));
        assert_eq!(parse(" \"7.fields=id,name\" ").unwrap(), Expected::Version(7));
    }

    #[test]
    fn a_tag_that_is_weak_or_not_ours_matches_nothing() {
        for header in ["W/\"7\"", "\"\"", "\"abc\"", "\"-7\"", "\"0\""] {
            let expected = parse(header).unwrap();
            assert!((1..100).all(|version| !expected.matches(version)), "{header}");
        }
    }

    #[test]
    fn what_is_no_tag_is_malformed() {
        for header in ["7", "\"7", "", "\"7\", \"8\""] {
            assert_eq!(
                parse(header).unwrap_err().kind(),
                Kind::MalformedRequest,
                "{header}"
            );
        }
    }

    #[test]
    fn who_has_it_already_gets_no_body() {
        let tag = EntityTag::version(7);
        let get = |value: &str| {
            let request = TestRequest::get()
                .insert_header((header::IF_NONE_MATCH, value))
                .to_http_request();
            answer(&request, &tag, &"view").status()
        };

        for known in ["\"7\"", "W/\"7\"", "\"6\", \"7\"", "*"] {
            assert_eq!(get(known), StatusCode::NOT_MODIFIED, "{known}");
        }
        for unknown in ["\"6\"", "7", "", "\"7.fields=id\""] {
            assert_eq!(get(unknown), StatusCode::OK, "{unknown}");
        }
    }
}
