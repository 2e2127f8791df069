use std::hash::{Hash, Hasher};
use std::sync::Arc;

use equivalent::Equivalent;
use fairlead_domain::cache::CacheKey;
use fairlead_domain::identity::TenantId;

/// Names an answer among those of all tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemoryKey {
    pub(crate) tenant: TenantId,
    pub(crate) key: CacheKey,
}

/// The same, borrowed: looking an answer up copies nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryKeyRef<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) key: &'a CacheKey,
}

impl MemoryKey {
    pub(crate) fn borrowed(&self) -> MemoryKeyRef<'_> {
        MemoryKeyRef {
            tenant: self.tenant,
            key: &self.key,
        }
    }
}

impl MemoryKeyRef<'_> {
    pub(crate) fn to_owned(self) -> MemoryKey {
        MemoryKey {
            tenant: self.tenant,
            key: self.key.clone(),
        }
    }
}

// Invariant: both hash alike.
impl Hash for MemoryKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.tenant, &self.key).hash(state);
    }
}

impl Hash for MemoryKeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.tenant, self.key).hash(state);
    }
}

impl Equivalent<Arc<MemoryKey>> for MemoryKeyRef<'_> {
    fn equivalent(&self, key: &Arc<MemoryKey>) -> bool {
        self.tenant == key.tenant && *self.key == key.key
    }
}
