use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// `None`: it was made, and is too large to be kept.
    encoded: [OnceLock<Option<Bytes>>; 3],
    encoded_bytes: AtomicUsize,
}

impl Entry {
    pub fn new(loaded: Loaded) -> Self {
        Self {
            loaded,
            encoded: Default::default(),
            encoded_bytes: AtomicUsize::new(0),
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

    /// Whether somebody has asked for this form, be it kept or not.
    pub fn is_made(&self, encoding: Encoding) -> bool {
        self.encoded[encoding as usize].get().is_some()
    }

    /// Whether the form was made and not kept, so that [`Entry::encoded`] makes it each time.
    pub fn is_too_large(&self, encoding: Encoding) -> bool {
        matches!(self.encoded[encoding as usize].get(), Some(None))
    }

    /// The body in `encoding`; made by `encode` when it is first asked for, and by one caller alone.
    ///
    /// It is kept as long as all codings together take no more than the plain form: who weighs an entry need not know
    /// which will be asked for. What hardly shrinks is made each time.
    pub fn encoded(&self, encoding: Encoding, encode: impl Fn(&Bytes) -> Bytes) -> Bytes {
        let mut too_large = None;
        let kept = self.encoded[encoding as usize].get_or_init(|| {
            let made = encode(&self.loaded.body);
            let bytes = self.encoded_bytes.fetch_add(made.len(), Ordering::Relaxed) + made.len();
            if bytes <= self.loaded.body.len() {
                return Some(made);
            }
            self.encoded_bytes.fetch_sub(made.len(), Ordering::Relaxed);
            too_large = Some(made);
            None
        });
        kept.clone()
            .or(too_large)
            .unwrap_or_else(|| encode(&self.loaded.body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize) -> Entry {
        Entry::new(Loaded {
            body: Bytes::from(vec![b'x'; bytes]),
            entity_tag: "1".into(),
            content_type: "text/plain".into(),
            modified: None,
            as_of: LogPosition::UNKNOWN,
        })
    }

    #[test]
    fn a_coding_is_made_once() {
        let entry = entry(100);
        let made = AtomicUsize::new(0);
        let encode = |_: &Bytes| {
            made.fetch_add(1, Ordering::Relaxed);
            Bytes::from_static(b"short")
        };

        for _ in 0..3 {
            assert_eq!(entry.encoded(Encoding::Gzip, encode), "short");
        }
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn codings_take_no_more_together_than_the_plain_form() {
        let entry = entry(100);
        let encode = |body: &Bytes| body.slice(..60);

        for encoding in [Encoding::Zstd, Encoding::Brotli, Encoding::Gzip, Encoding::Brotli] {
            assert_eq!(entry.encoded(encoding, encode).len(), 60);
        }

        let kept = entry
            .encoded
            .iter()
            .filter(|kept| matches!(kept.get(), Some(Some(_))));
        assert_eq!(kept.count(), 1);
        assert!(entry.is_made(Encoding::Gzip) && entry.is_too_large(Encoding::Gzip));
        assert!(entry.is_made(Encoding::Zstd) && !entry.is_too_large(Encoding::Zstd));
        assert_eq!(entry.encoded_bytes.into_inner(), 60);
    }
}
