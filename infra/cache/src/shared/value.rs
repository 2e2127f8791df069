//! An answer as it lies in Redis: a mark of how it is wrapped, then its head and its body.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use fairlead_domain::cache::{CacheKey, Loaded};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;
use time::OffsetDateTime;

use super::seal::Sealer;

/// Changes with the form of what follows; other forms are not read.
const VERSION: u8 = 1;
const COMPRESSED: u8 = 1;
const SEALED: u8 = 2;
/// Smaller bodies gain nothing.
const COMPRESS_FROM_BYTES: usize = 1_024;
/// What a body may unfold to: a damaged length must not take all memory.
const LARGEST_BODY: usize = 64 << 20;

/// How an answer is wrapped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrapping<'a> {
    /// zstd level; `None`: as it is.
    pub(crate) compress: Option<i32>,
    pub(crate) seal: Option<&'a Sealer>,
}

/// What lies in Redis is not an answer to this question, or not readable by this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an answer to this question")]
pub(crate) struct Unreadable;

/// Writes an answer; `cost` is how long its load took.
pub(crate) fn encode(
    tenant: TenantId,
    key: &CacheKey,
    loaded: &Loaded,
    cost: Duration,
    wrapping: Wrapping<'_>,
) -> Vec<u8> {
    let compressed = wrapping
        .compress
        .filter(|_| loaded.body.len() >= COMPRESS_FROM_BYTES)
        .and_then(|level| zstd::bulk::compress(&loaded.body, level).ok())
        .filter(|compressed| compressed.len() < loaded.body.len());

    let mut plain = Vec::with_capacity(loaded.body.len() + 256);
    put_text(&mut plain, key.variant());
    put_text(&mut plain, &loaded.entity_tag);
    put_text(&mut plain, &loaded.content_type);
    plain.put_i128(
        loaded
            .modified
            .map_or(i128::MIN, OffsetDateTime::unix_timestamp_nanos),
    );
    plain.put_u32(loaded.as_of.timeline);
    plain.put_u64(loaded.as_of.lsn);
    plain.put_u64(u64::try_from(cost.as_micros()).unwrap_or(u64::MAX));
    plain.put_slice(compressed.as_deref().unwrap_or(&loaded.body));

    let mut flags = if compressed.is_some() { COMPRESSED } else { 0 };
    if let Some(sealer) = wrapping.seal {
        flags |= SEALED;
        plain = sealer.seal(tenant, key, plain);
    }
    let mut value = vec![VERSION, flags];
    value.append(&mut plain);
    value
}

/// Reads what [`encode`] wrote for the same question.
pub(crate) fn decode(
    tenant: TenantId,
    key: &CacheKey,
    value: Bytes,
    sealer: Option<&Sealer>,
) -> Result<(Loaded, Duration), Unreadable> {
    let mut rest = value;
    if rest.remaining() < 2 || rest.get_u8() != VERSION {
        return Err(Unreadable);
    }
    let flags = rest.get_u8();
    if flags & SEALED != 0 {
        let opened = sealer.ok_or(Unreadable)?.open(tenant, key, &rest);
        rest = opened.ok_or(Unreadable)?.into();
    }
    if take_text(&mut rest)? != *key.variant() {
        return Err(Unreadable);
    }
    let entity_tag = take_text(&mut rest)?;
    let content_type = take_text(&mut rest)?;
    if rest.remaining() < 36 {
        return Err(Unreadable);
    }
    // The value that stands for none is no moment either.
    let modified = OffsetDateTime::from_unix_timestamp_nanos(rest.get_i128()).ok();
    let as_of = LogPosition::new(rest.get_u32(), rest.get_u64());
    let cost = Duration::from_micros(rest.get_u64());
    let body = if flags & COMPRESSED == 0 {
        // A copy of its own: what Redis sent in one piece with it is let go.
        Bytes::copy_from_slice(&rest)
    } else {
        let bound = zstd::zstd_safe::get_frame_content_size(&rest).ok().flatten();
        let bound = bound.and_then(|bytes| usize::try_from(bytes).ok());
        let bound = bound.filter(|bytes| *bytes <= LARGEST_BODY).ok_or(Unreadable)?;
        zstd::bulk::decompress(&rest, bound)
            .map_err(|_| Unreadable)?
            .into()
    };
    let loaded = Loaded {
        body,
        entity_tag: entity_tag.into(),
        content_type: content_type.into(),
        modified,
        as_of,
    };
    Ok((loaded, cost))
}

fn put_text(buffer: &mut Vec<u8>, text: &str) {
    buffer.put_u32(u32::try_from(text.len()).expect("no text of a key or a header is that long"));
    buffer.put_slice(text.as_bytes());
}

fn take_text(buffer: &mut Bytes) -> Result<String, Unreadable> {
    if buffer.remaining() < 4 {
        return Err(Unreadable);
    }
    let length = buffer.get_u32() as usize;
    if buffer.remaining() < length {
        return Err(Unreadable);
    }
    String::from_utf8(buffer.split_to(length).into()).map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests {
    use fairlead_domain::cache::Namespace;
    use uuid::Uuid;

    use super::*;
    use crate::settings::EncryptionKey;

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(number))
    }

    fn answer(body: impl Into<Bytes>) -> Loaded {
        Loaded {
            body: body.into(),
            entity_tag: "7".into(),
            content_type: "application/json".into(),
            modified: Some(OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(1_700_000_000_789)),
            as_of: LogPosition::new(3, 1 << 40),
        }
    }

    #[test]
    fn an_answer_reads_back_however_it_is_wrapped() {
        let key = CacheKey::new(Namespace::Lead, "id=1");
        let sealer = Sealer::new(&EncryptionKey::new([7; 32]));
        for body in [String::new(), "x".into(), "lead ".repeat(1_000)] {
            for (compress, seal) in [
                (None, None),
                (Some(3), None),
                (None, Some(&sealer)),
                (Some(3), Some(&sealer)),
            ] {
                let wrapping = Wrapping { compress, seal };
                let value = encode(
                    tenant(1),
                    &key,
                    &answer(body.clone()),
                    Duration::from_micros(42),
                    wrapping,
                );
                if compress.is_some() && body.len() > 1_024 {
                    assert!(value.len() < body.len() / 2);
                }
                if seal.is_some() && !body.is_empty() {
                    assert!(!value.windows(4).any(|part| part == b"lead"), "it can be read");
                }

                let (read, cost) = decode(tenant(1), &key, value.into(), Some(&sealer)).unwrap();
                assert_eq!(read.body, body);
                assert_eq!(
                    (&*read.entity_tag, &*read.content_type),
                    ("7", "application/json")
                );
                assert_eq!((read.as_of.lsn, cost.as_micros()), (1 << 40, 42));
            }
        }
    }

    #[test]
    fn what_belongs_elsewhere_or_is_damaged_is_not_read() {
        let key = CacheKey::new(Namespace::Lead, "id=1");
        let sealer = Sealer::new(&EncryptionKey::new([7; 32]));
        let encrypted = Wrapping {
            compress: None,
            seal: Some(&sealer),
        };
        let value = encode(tenant(1), &key, &answer("x"), Duration::ZERO, encrypted);

        let other_key = CacheKey::new(Namespace::Lead, "id=2");
        let other_sealer = Sealer::new(&EncryptionKey::new([8; 32]));
        let read =
            |tenant, key, value: &[u8], sealer| decode(tenant, key, Bytes::copy_from_slice(value), sealer);
        assert!(read(tenant(1), &key, &value, Some(&sealer)).is_ok());
        assert!(
            read(tenant(2), &key, &value, Some(&sealer)).is_err(),
            "of another tenant"
        );
        assert!(
            read(tenant(1), &other_key, &value, Some(&sealer)).is_err(),
            "of another question"
        );
        assert!(
            read(tenant(1), &key, &value, Some(&other_sealer)).is_err(),
            "under another key"
        );
        assert!(read(tenant(1), &key, &value, None).is_err(), "without a key");

        let plain = encode(
            tenant(1),
            &key,
            &answer("y".repeat(2_000)),
            Duration::ZERO,
            Wrapping {
                compress: Some(3),
                seal: None,
            },
        );
        assert!(
            read(tenant(1), &other_key, &plain, None).is_err(),
            "of another question"
        );
        for length in 0..plain.len() {
            assert!(
                read(tenant(1), &key, &plain[..length], None).is_err(),
                "cut at {length}"
            );
        }
    }
}
