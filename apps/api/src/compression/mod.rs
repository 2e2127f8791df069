//! Content codings of answers (RFC 9110, section 8.4): gzip, Brotli and Zstandard, as the client wants them.
//!
//! What is answered more than once keeps its encoded bytes ([`show`](crate::representation::show)). Any other answer
//! whose bytes are at hand is encoded by [`compress`] on its way out. Streams encode themselves chunk by chunk
//! ([`stream`]), so that nothing is held back that must flush.

mod codec;
mod negotiation;
mod stream;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

pub(crate) use codec::{Coding, encode};
pub(crate) use negotiation::{Preference, negotiate};
pub(crate) use stream::compressed;

use crate::conditional::EntityTag;

/// Asks for an answer as it is, whatever `Accept-Encoding` says: for clients behind something that adds it.
const NO_COMPRESSION: HeaderName = HeaderName::from_static("x-no-compression");

/// Which answers are compressed, and how hard.
#[derive(Clone, Copy, Debug)]
pub struct Compression {
    /// Whether anything is compressed at all.
    pub enabled: bool,
    /// From 1, the fastest, to 9, the smallest.
    pub level: u32,
    /// Shorter answers are sent as they are. In bytes.
    pub threshold: usize,
}

impl Compression {
    /// Chooses the coding for an answer of `length` bytes; `None`: as it is.
    pub(crate) fn choose(&self, request: &HeaderMap, length: usize) -> Option<Coding> {
        let preference = self.preference(request)?;
        (length >= self.threshold || preference.refuses_identity).then_some(preference.coding)
    }

    /// Chooses the coding for an answer whose length is not known.
    pub(crate) fn choose_for_stream(&self, request: &HeaderMap) -> Option<Coding> {
        self.preference(request).map(|preference| preference.coding)
    }

    fn preference(&self, request: &HeaderMap) -> Option<Preference> {
        if !self.enabled || request.contains_key(NO_COMPRESSION) {
            return None;
        }
        negotiate(request)
    }
}

/// Encodes an answer whose bytes are at hand, unless it is encoded already, too short, or not text.
pub(crate) fn compress(
    response: HttpResponse<BoxBody>,
    coding: Coding,
    compression: &Compression,
) -> HttpResponse<BoxBody> {
    let (mut response, body) = response.into_parts();
    let bytes = match body.try_into_bytes() {
        Ok(bytes) => bytes,
        // A stream, which knows better when its bytes must leave.
        Err(body) => return response.set_body(body),
    };
    let encoded = encode(coding, compression.level, &bytes);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, coding.value());
    if let Some(tag) = headers.get(header::ETAG).and_then(EntityTag::from_header) {
        headers.insert(header::ETAG, tag.quoted(Some(coding)));
    }
    response.set_body(BoxBody::new(encoded))
}

/// Whether an answer may be encoded on its way out.
pub(crate) fn is_compressible(response: &HttpResponse<BoxBody>) -> bool {
    let headers = response.headers();
    !headers.contains_key(header::CONTENT_ENCODING) && headers.get(header::CONTENT_TYPE).is_some_and(is_text)
}

/// Pictures, archives and fonts are compressed already.
fn is_text(media_type: &HeaderValue) -> bool {
    let media_type = media_type.as_bytes();
    let essence = media_type.split(|&byte| byte == b';').next().unwrap_or_default();
    essence.starts_with(b"text/")
        || essence.ends_with(b"json")
        || essence.ends_with(b"javascript")
        || essence.ends_with(b"xml")
}
