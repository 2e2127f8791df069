use std::fmt;

use super::Namespace;

/// Names one answer within a tenant.
///
/// It is the text itself and not a hash of it: two questions never share an answer, and operators can read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CacheKey {
    namespace: Namespace,
    variant: Box<str>,
}

impl CacheKey {
    /// Who names a key need not write more.
    pub const LONGEST_TEXT: usize = 10_000;

    /// `variant` is the question in normal form, with all that the answer depends on: the query, what it includes, and
    /// what the caller may see.
    pub fn new(namespace: Namespace, variant: impl Into<Box<str>>) -> Self {
        Self {
            namespace,
            variant: variant.into(),
        }
    }

    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, variant) = text.split_once('?')?;
        Some(Self::new(namespace.parse().ok()?, variant))
    }

    pub fn namespace(&self) -> Namespace {
        self.namespace
    }

    pub fn variant(&self) -> &str {
        &self.variant
    }
}

/// `leads.list?status=NEW&limit=50`.
impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}?{}", self.namespace, self.variant)
    }
}
