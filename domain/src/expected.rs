use time::OffsetDateTime;

/// A state of a thing, told apart from all others that it was ever shown in.
///
/// Its version alone does not do that: a failover may lose the latest versions of a thing, after they were answered, and
/// the same numbers are given again, to other contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    pub version: i64,
    /// What of the same version tells one from the other: when it was made, or what it contains.
    pub stamp: u64,
}

impl Revision {
    /// Of a thing that tells when it was changed last.
    pub fn made_at(version: i64, at: OffsetDateTime) -> Self {
        // Whatever is stored has whole microseconds.
        let micros = at.unix_timestamp_nanos() / 1_000;
        Self {
            version,
            stamp: u64::try_from(micros).unwrap_or_default(),
        }
    }

    /// Of a thing that does not: `parts` are all of it that may change.
    pub fn of_content<'a>(version: i64, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        // FNV-1a: the same in every process and release. Behind each part is what stands in no text.
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let part = |before, part: &[u8]| part.iter().chain(&[0xff]).fold(before, hash);
        Self {
            version,
            stamp: parts.into_iter().fold(0xcbf2_9ce4_8422_2325, part),
        }
    }
}

/// The state that a caller expects to change (`If-Match`, RFC 9110 section 13.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    /// Any of this version, for callers who know no more of it.
    Version(i64),
    Revision(Revision),
}

impl Expected {
    pub fn matches(self, now: Revision) -> bool {
        match self {
            Self::Any => true,
            Self::Version(expected) => expected == now.version,
            Self::Revision(expected) => expected == now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_was_made_again_is_another_state() {
        let lost = Revision::made_at(8, OffsetDateTime::UNIX_EPOCH + time::Duration::microseconds(1));
        let made_again = Revision::made_at(8, OffsetDateTime::UNIX_EPOCH);

        assert!(Expected::Revision(lost).matches(lost));
        assert!(!Expected::Revision(lost).matches(made_again));
        assert!(Expected::Version(8).matches(lost) && Expected::Version(8).matches(made_again));
        assert!(!Expected::Version(7).matches(lost));
    }

    #[test]
    fn other_contents_are_another_state_however_they_are_divided() {
        let of = |parts: [&'static str; 2]| Revision::of_content(8, parts.map(str::as_bytes));

        assert_eq!(of(["a", "b"]), of(["a", "b"]));
        assert_ne!(of(["a", "b"]), of(["ab", ""]));
        assert_ne!(of(["a", "b"]), of(["a", "c"]));
        assert_eq!(Revision::of_content(1, []).stamp, 0xcbf2_9ce4_8422_2325);
    }
}
