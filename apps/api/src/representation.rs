//! What a read shows, and the forms in which it is sent.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue, HttpDate};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use fairlead_domain::Revision;
use fairlead_domain::cache::{Entry, Loaded};
use fairlead_domain::consistency::LogPosition;
use fairlead_telemetry::request::{self, Phase};
use serde::Serialize;
use time::{Duration, OffsetDateTime};

use crate::compression::{Coding, Compression, encode};
use crate::conditional::{EntityTag, Known, known_to, quoted};

/// What a resource or a list looks like at one moment, serialised.
#[derive(Debug)]
pub(crate) struct Representation {
    media_type: &'static str,
    tag: EntityTag,
    body: Bytes,
    modified: Option<OffsetDateTime>,
}

const JSON: &str = "application/json";
/// The most bytes that a thread keeps to write answers to.
const LONGEST_KEPT: usize = 256 << 10;
/// From here on a form is made beside the threads that serve: in less than a millisecond it is made where it is shown.
const LARGE: usize = 64 << 10;
/// `Last-Modified` has whole seconds, and a change can become visible up to a deadline after the moment it bears. So it
/// is told, and trusted, only once no change can still appear that bears the same moment or an earlier one.
const SETTLED_AFTER: Duration = Duration::MINUTE;

impl Representation {
    /// Of a resource whose version decides what is shown.
    pub(crate) fn of_version(tag: EntityTag, view: &impl Serialize) -> Self {
        Self::of_bytes(JSON, tag, to_bytes(view))
    }

    /// Of something that only its bytes can tell apart: lists.
    pub(crate) fn by_digest(view: &impl Serialize) -> Self {
        let body = to_bytes(view);
        Self::of_bytes(JSON, EntityTag::digest(&body), body)
    }

    /// Of a resource whose version does not tell all that is shown. The version leads the tag, for `If-Match`.
    pub(crate) fn of_version_and_digest(revision: Revision, view: &impl Serialize) -> Self {
        let body = to_bytes(view);
        let digest = EntityTag::digest(&body);
        let tag = EntityTag::of(revision).variant(digest.as_str());
        Self::of_bytes(JSON, tag, body)
    }

    pub(crate) fn of_bytes(media_type: &'static str, tag: EntityTag, body: Bytes) -> Self {
        Self {
            media_type,
            tag,
            body,
            modified: None,
        }
    }

    /// Says when the resource last changed. Only where every change of what is shown moves this moment.
    #[must_use]
    pub(crate) fn modified_at(mut self, at: OffsetDateTime) -> Self {
        self.modified = Some(at);
        self
    }

    /// What is kept of it; `as_of` is a position of the log that it contains at least.
    pub(crate) fn loaded(self, as_of: LogPosition) -> Loaded {
        Loaded {
            body: self.body,
            entity_tag: self.tag.as_str().into(),
            content_type: self.media_type.into(),
            modified: self.modified,
            as_of,
        }
    }
}

/// Written to a buffer of the thread first: so it is copied once, into as many bytes as it has.
fn to_bytes(view: &impl Serialize) -> Bytes {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = RefCell::default();
    }
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        let started = Instant::now();
        serde_json::to_writer(&mut *buffer, view).expect("views are plain data with string keys");
        let bytes = Bytes::copy_from_slice(buffer);
        if let Some(request) = request::current() {
            request.note_phase(Phase::Serialisation, started.elapsed());
        }
        // One that was longer once is not kept.
        if buffer.capacity() > LONGEST_KEPT {
            *buffer = Vec::new();
        }
        bytes
    })
}

/// The form of a large answer that has yet to be made for a client: it takes a thread for milliseconds, or, where an answer
/// has megabytes, for tenths of a second.
fn missing(entry: &Entry, headers: &HeaderMap, compression: &Compression) -> Option<Coding> {
    if entry.body().len() < LARGE {
        return None;
    }
    let coding = compression.choose(headers, entry.body().len())?;
    // Who may know the answer is likely to be sent none.
    let may_know = headers.contains_key(header::IF_NONE_MATCH) && known(entry, headers, None).is_some();
    (!may_know && !entry.is_made(coding.into())).then_some(coding)
}

/// Whether [`show`] would hold up the thread, and with it whoever else it serves.
pub(crate) fn is_slow_to_show(entry: &Entry, headers: &HeaderMap, compression: &Compression) -> bool {
    missing(entry, headers, compression).is_some()
}

/// Makes what is slow to be made for [`show`], on a thread that serves nobody.
pub(crate) async fn prepare(entry: &Arc<Entry>, headers: &HeaderMap, compression: &Compression) {
    let Some(coding) = missing(entry, headers, compression) else {
        return;
    };
    let (entry, compression) = (Arc::clone(entry), *compression);
    // Should that fail, it is made where it is shown.
    let _ = fairlead_telemetry::spawn_blocking(move || encoded(&entry, coding, &compression)).await;
}

/// Answers a GET with what is kept: 304 when the client has it already, else 200 in the form that the client likes most.
///
/// The answer shares the entry's bytes. A coding is made when it is first asked for, and kept with the entry.
pub(crate) fn show(
    entry: &Entry,
    request: &HttpRequest,
    compression: &Compression,
    now: OffsetDateTime,
) -> HttpResponse {
    let headers = request.headers();
    // What hardly shrinks is not worth making again and again.
    let is_worth_it = |coding: &Coding| entry.body().len() < LARGE || !entry.is_too_large((*coding).into());
    let coding = compression
        .choose(headers, entry.body().len())
        .filter(is_worth_it);
    let modified = entry.modified().filter(|&at| now - at >= SETTLED_AFTER);

    let mut response = HttpResponse::Ok();
    if let Some(modified) = modified {
        response.insert_header((header::LAST_MODIFIED, HttpDate::from(SystemTime::from(modified))));
    }
    if let Some(known) = known(entry, headers, modified) {
        // Names the form that the client has, so that its cache finds the entry that is still good.
        let form = match known {
            Known::Identity => None,
            Known::Something => coding,
            Known::In(coding) => Some(coding),
        };
        response.insert_header((header::ETAG, quoted(entry.entity_tag(), form)));
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    response.insert_header((header::CONTENT_TYPE, media_type(entry)));
    response.insert_header((header::ETAG, quoted(entry.entity_tag(), coding)));
    let body = match coding {
        None => entry.body().clone(),
        Some(coding) => {
            response.insert_header((header::CONTENT_ENCODING, coding.value()));
            encoded(entry, coding, compression)
        }
    };
    response.body(body)
}

fn encoded(entry: &Entry, coding: Coding, compression: &Compression) -> Bytes {
    entry.encoded(coding.into(), |body| encode(coding, compression.level, body))
}

fn media_type(entry: &Entry) -> HeaderValue {
    match entry.content_type() {
        JSON => HeaderValue::from_static(JSON),
        other => HeaderValue::from_str(other).unwrap_or(HeaderValue::from_static("application/octet-stream")),
    }
}

/// `If-None-Match` counts alone where it is given (RFC 9110, section 13.2.2).
fn known(entry: &Entry, headers: &HeaderMap, modified: Option<OffsetDateTime>) -> Option<Known> {
    if headers.contains_key(header::IF_NONE_MATCH) {
        return known_to(headers, entry.entity_tag());
    }
    let since = headers.get(header::IF_MODIFIED_SINCE)?.to_str().ok()?;
    let since = since.parse::<HttpDate>().ok()?;
    // Whole seconds, as the header has them.
    let since = OffsetDateTime::from(SystemTime::from(since)).unix_timestamp();
    // One that is later than what is there was given for what a failover has lost.
    (modified?.unix_timestamp() == since).then_some(Known::Something)
}
