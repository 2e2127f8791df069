use std::fmt;

use super::hex::Hex;

/// Names one request in logs and answers: 1 to 128 of the characters `A–Z a–z 0–9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    const MAX: usize = 128;

    /// Takes the id that a client sent; `None` when it is not one that may safely stand in logs and headers.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX).contains(&text.len());
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        (fits && text.bytes().all(legal)).then(|| Self(text.to_owned()))
    }

    /// Makes an id of 128 random bits.
    pub fn random() -> Self {
        Self(Hex::<32>::of(rand::random()).as_str().to_owned())
    }

    /// Takes the id that a client sent, or makes one when there is none or it is not legal.
    pub fn accept(sent: Option<&str>) -> Self {
        sent.and_then(Self::parse).unwrap_or_else(Self::random)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
