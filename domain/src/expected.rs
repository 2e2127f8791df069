/// The version a caller expects to change (`If-Match`, RFC 9110 section 13.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    Version(i64),
}

impl Expected {
    pub fn matches(self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Version(expected) => expected == version,
        }
    }
}
