use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::names::{parse_position, position_text};

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
        /// Of the commit, where its position is known. Messages of older releases have none.
        #[serde(default)]
        mark: u32,
    },
    /// All bumps of `node` up to `sequence` have been sent before this.
    Beat { node: u64, sequence: u64 },
    /// Everything, or everything of one kind, was dropped: the eras have changed.
    Era,
}

impl Message {
    pub(crate) fn bump(
        node: u64,
        sequence: u64,
        tenant: TenantId,
        tags: Vec<u64>,
        position: Option<LogPosition>,
    ) -> Self {
        Self::Bump {
            node,
            sequence,
            tenant: tenant.as_uuid(),
            tags,
            position: told(position),
            mark: position.map_or(0, |position| position.mark),
        }
    }

    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts are always JSON")
    }

    /// What `position` and `mark` of a bump say.
    pub(crate) fn position(text: &str, mark: u32) -> Option<LogPosition> {
        match text {
            "" => None,
            text => Some(
                parse_position(text)
                    .map_or(LogPosition::UNKNOWN, |position| LogPosition { mark, ..position }),
            ),
        }
    }

    /// `None`: of another release, or not ours.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}

/// A position in words: `?` if nobody knows it, empty if there was no commit.
pub(super) fn told(position: Option<LogPosition>) -> String {
    match position {
        None => String::new(),
        Some(LogPosition::UNKNOWN) => "?".to_owned(),
        Some(position) => position_text(position),
    }
}
