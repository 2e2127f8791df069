use serde::{Deserialize, Serialize};

use crate::performance::statistics::{real_u64, share};

/// What a process gives back when memory runs out, each with all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relief {
    /// Answers that it keeps.
    Caches,
    /// Connections that nobody uses.
    Connections,
    /// All that it can.
    Emergency,
}

impl Relief {
    /// From which share of its limit on.
    const FROM: [(f64, Self); 3] = [
        (0.95, Self::Emergency),
        (0.90, Self::Connections),
        (0.85, Self::Caches),
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caches => "caches",
            Self::Connections => "connections",
            Self::Emergency => "emergency",
        }
    }

    /// What is due; `None`: there is room.
    pub fn due(resident_bytes: u64, limit_bytes: u64) -> Option<Self> {
        let used = share(real_u64(resident_bytes), real_u64(limit_bytes))?;
        Self::FROM
            .into_iter()
            .find(|(from, _)| used > *from)
            .map(|(_, relief)| relief)
    }
}
