//! Conditional requests (RFC 9110, section 13): strong entity tags, `If-None-Match` and `If-Match`.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{FromRequest, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fairlead_domain::{Expected, Revision};
use xxhash_rust::xxh3::xxh3_128;

use crate::compression::Coding;
use crate::problem::{Kind, Problem};

/// Behind the version of a tag, before what else tells it from others. No variant begins like this.
const STAMP: &str = ".@";

/// A strong entity tag, without its quotes.
///
/// Each coding of a representation has a tag of its own, as bytes that differ must (RFC 9110, section 8.8.3.3): that of
/// the identity with the coding behind a dash, `"7-gzip"`. That is also how common proxies mark what they encode
/// themselves, so their tags are understood when clients send them back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag(String);

impl EntityTag {
    /// The tag of a resource in its usual representation: `"7.@643c98"`, the version and what tells it from another one
    /// of the same number.
    pub fn of(revision: Revision) -> Self {
        Self(format!("{}{STAMP}{:x}", revision.version, revision.stamp))
    }

    /// The tag of another representation of the same version: what it shows, or what it shows that has no version.
    #[must_use]
    pub fn variant(self, variant: &str) -> Self {
        Self(format!("{}.{variant}", self.0))
    }

    /// The tag of exactly these bytes, by XXH3 of 128 bits. Other bytes have other tags unless somebody looks for two
    /// of their own that collide, and whoever does is shown one of them for the other.
    pub fn digest(bytes: &[u8]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(xxh3_128(bytes).to_be_bytes()))
    }

    /// Reads one that we have put into a header; `None` when it is weak or malformed.
    pub(crate) fn from_header(value: &HeaderValue) -> Option<Self> {
        let tag = value.to_str().ok()?.strip_prefix('"')?.strip_suffix('"')?;
        Some(Self(tag.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in headers; `None`: for the answer as it is.
    pub(crate) fn quoted(&self, coding: Option<Coding>) -> HeaderValue {
        quoted(&self.0, coding)
    }
}

/// An entity tag as it stands in headers.
pub(crate) fn quoted(tag: &str, coding: Option<Coding>) -> HeaderValue {
    let text = match coding {
        None => format!("\"{tag}\""),
        Some(coding) => format!("\"{tag}-{}\"", coding.name()),
    };
    HeaderValue::try_from(text).expect("tags are visible ASCII")
}

/// Finds out of `If-None-Match` what the client has already. Codings of one representation say the same, so any of them
/// will do; tags are compared weakly (RFC 9110, section 13.1.2).
pub(crate) fn known_to(request: &HeaderMap, tag: &str) -> Option<Known> {
    for list in request.get_all(header::IF_NONE_MATCH) {
        for listed in tags(list.to_str().unwrap_or_default()) {
            let known = match listed {
                Listed::Any => Some(Known::Something),
                Listed::Tag(known) if known == tag => Some(Known::Identity),
                Listed::Tag(known) => {
                    let coding = known.strip_prefix(tag).and_then(|rest| rest.strip_prefix('-'));
                    coding.and_then(Coding::parse).map(Known::In)
                }
            };
            if known.is_some() {
                return known;
            }
        }
    }
    None
}

/// In which form the client has the answer already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// In some form: `If-None-Match: *`.
    Something,
    Identity,
    In(Coding),
}

/// An item of `If-None-Match`.
enum Listed<'a> {
    Any,
    /// Without quotes and without the mark of a weak one.
    Tag(&'a str),
}

/// Takes a list apart. A tag may itself contain commas, so only its quotes end it.
fn tags(list: &str) -> impl Iterator<Item = Listed<'_>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if let Some(behind) = rest.strip_prefix('*') {
            rest = behind;
            return Some(Listed::Any);
        }
        let quoted = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let (tag, behind) = quoted.split_once('"')?;
        rest = behind;
        Some(Listed::Tag(tag))
    })
}

/// The state that `If-Match` asks for; any, when there is no such header.
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

/// Reads `*` or one entity tag. All representations of a version match it. A tag that names a version and no more, as older
/// releases gave them and people write them, is matched by whatever has that version.
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
    let (version, rest) = tag.split_at(tag.find(['.', '-']).unwrap_or(tag.len()));
    let stamp = rest.strip_prefix(STAMP);
    let stamp = stamp.map(|stamp| stamp.split(['.', '-']).next().unwrap_or_default());
    // A weak tag never matches strongly, and a tag that is not ours names no version that ever was.
    let expected = match (digits(version, 10), stamp.map(|stamp| digits(stamp, 16))) {
        _ if header.starts_with("W/") => None,
        (Some(version), None) => i64::try_from(version).ok().map(Expected::Version),
        (Some(version), Some(Some(stamp))) => i64::try_from(version)
            .ok()
            .map(|version| Expected::Revision(Revision { version, stamp })),
        _ => None,
    };
    Ok(expected.unwrap_or(Expected::Version(0)))
}

/// `from_str_radix` takes a sign, too.
fn digits(text: &str, radix: u32) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric())
        .then(|| u64::from_str_radix(text, radix).ok())
        .flatten()
}

fn malformed() -> Problem {
    Problem::client(
        Kind::MalformedRequest,
        "If-Match must be * or one entity tag as ETag gave it, such as \"7\"",
    )
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn if_match_names_a_version_in_any_representation() {
        assert_eq!(parse("*").unwrap(), Expected::Any);
        assert_eq!(parse("\"7\"").unwrap(), Expected::Version(7));
        assert_eq!(parse(" \"7.fields=id,name\" ").unwrap(), Expected::Version(7));
        assert_eq!(parse("\"7-gzip\"").unwrap(), Expected::Version(7));
        assert_eq!(parse("\"7.fields=id,name-br\"").unwrap(), Expected::Version(7));
    }

    fn seventh() -> Revision {
        Revision {
            version: 7,
            stamp: 0x643c_98a1,
        }
    }

    #[test]
    fn if_match_names_the_state_that_a_tag_was_given_for() {
        let tag = EntityTag::of(seventh());
        assert_eq!(tag.as_str(), "7.@643c98a1");

        for tag in [
            tag.quoted(None),
            tag.quoted(Some(Coding::Gzip)),
            tag.clone().variant("fields=id,name").quoted(Some(Coding::Brotli)),
        ] {
            assert_eq!(
                parse(tag.to_str().unwrap()).unwrap(),
                Expected::Revision(seventh())
            );
        }
        let lost = Revision {
            stamp: 1,
            ..seventh()
        };
        assert!(!parse("\"7.@643c98a1\"").unwrap().matches(lost));
    }

    #[test]
    fn a_tag_that_is_weak_or_not_ours_matches_nothing() {
        for header in [
            "W/\"7\"",
            "\"\"",
            "\"abc\"",
            "\"-7\"",
            "\"0\"",
            "\"7.@\"",
            "\"7.@+643c98a1\"",
            "\"7.@xyz\"",
            "W/\"7.@643c98a1\"",
            "\"99999999999999999999\"",
        ] {
            let expected = parse(header).unwrap();
            let now = |version| Revision { version, ..seventh() };
            assert!(
                (1..100).all(|version| !expected.matches(now(version))),
                "{header}"
            );
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

    fn known(tag: &EntityTag, value: &str) -> Option<Known> {
        let request = TestRequest::get().insert_header((header::IF_NONE_MATCH, value));
        known_to(request.to_http_request().headers(), tag.as_str())
    }

    #[test]
    fn what_the_client_has_is_found_in_any_form() {
        let tag = EntityTag("7".to_owned());

        for value in ["\"7\"", "W/\"7\"", "\"6\", \"7\"", "\"6\",\"7\",\"8\""] {
            assert_eq!(known(&tag, value), Some(Known::Identity), "{value}");
        }
        assert_eq!(known(&tag, "*"), Some(Known::Something));
        assert_eq!(known(&tag, "W/\"7-gzip\""), Some(Known::In(Coding::Gzip)));
        assert_eq!(known(&tag, "\"7-br\""), Some(Known::In(Coding::Brotli)));
    }

    #[test]
    fn what_the_client_has_not_is_not_found() {
        let tag = EntityTag("7".to_owned());

        for value in [
            "\"6\"",
            "7",
            "",
            "\"7.fields=id\"",
            "\"7-deflate\"",
            "\"77\"",
            "\"7",
        ] {
            assert_eq!(known(&tag, value), None, "{value}");
        }
    }

    #[test]
    fn a_tag_with_a_comma_is_one_tag() {
        let tag = EntityTag("7".to_owned()).variant("fields=id,name");

        assert_eq!(known(&tag, "\"1\", \"7.fields=id,name\""), Some(Known::Identity));
    }
}
