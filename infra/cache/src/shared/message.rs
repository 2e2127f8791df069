use fairlead_domain::identity::TenantId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What processes tell each other over the channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Message {
    /// Something changed.
    Bump {
        node: u64,
        /// Counts the bumps of `node` from 1.
        sequence: u64,
        tenant: Uuid,
        tags: Vec<u64>,
        /// Of the commit; `?` if nobody knows it, empty if there was none.
        position: String,
    },
    /// All bumps of `node` up to `sequence` have been sent before this.
    Beat { node: u64, sequence: u64 },
    /// Everything, or everything of one kind, was dropped: the eras have changed.
    Era,
}

impl Message {
    pub(crate) fn bump(node: u64, sequence: u64, tenant: TenantId, tags: Vec<u64>, position: String) -> Self {
        Self::Bump {
            node,
            sequence,
            tenant: tenant.as_uuid(),
            tags,
            position,
        }
    }

    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts are always JSON")
    }

    /// `None`: of another release, or not ours.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}
