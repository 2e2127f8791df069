use std::sync::OnceLock;

use bytes::Bytes;
use time::OffsetDateTime;

use crate::consistency::LogPosition;

/// An answer as a loader brings it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The body, ready to be sent.
    pub body: Bytes,
    /// A strong entity tag, without quotes.
    pub entity_tag: Box<str>,
    pub content_type: Box<str>,
    /// When what is shown last changed, where one moment tells that.
    pub modified: Option<OffsetDateTime>,
    /// What the load is known to have seen: a lower bound.
    pub as_of: LogPosition,
}

/// A content coding in which an answer is kept beside its plain form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Gzip,
    Brotli,
    Zstd,
}

/// An answer that is kept, ready to be sent as it is.
#[derive(Debug)]
pub struct Entry {
    loaded: Loaded,
    encoded: [OnceLock<Bytes>; 3],
}

impl Entry {
    pub fn new(loaded: Loaded) -> Self {
        Self {
            loaded,
            encoded: Default::default(),
        }
    }

    pub fn body(&self) -> &Bytes {
        &self.loaded.body
    }

    /// A strong entity tag, without quotes.
    pub fn entity_tag(&self) -> &str {
        &self.loaded.entity_tag
    }

    pub fn content_type(&self) -> &str {
        &self.loaded.content_type
    }

    pub fn modified(&self) -> Option<OffsetDateTime> {
        self.loaded.modified
    }

    /// What the answer is known to contain: everything committed up to here.
    pub fn as_of(&self) -> LogPosition {
        self.loaded.as_of
    }

    /// The body in `encoding`; made by `encode` when it is first asked for, and by one caller alone.
    pub fn encoded(&self, encoding: Encoding, encode: impl FnOnce(&Bytes) -> Bytes) -> &Bytes {
        self.encoded[encoding as usize].get_or_init(|| encode(&self.loaded.body))
    }
}
