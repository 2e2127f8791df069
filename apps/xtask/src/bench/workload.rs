//! The work that is measured.

use clap::ValueEnum;
use serde::Serialize;

use super::pgbench::Plans;

/// One kind of request. DESIGN speaks of them by these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum Workload {
    W1,
    W2,
    W3,
    W4,
    W5,
    W6,
    W7,
    W8,
}

/// The status whose leads are listed: those have the most activities.
pub(crate) const STATUS: &str = "QUALIFIED";
/// Leads in one bulk request.
pub(crate) const BULK: usize = 1_000;

impl Workload {
    /// All of them, what writes last: it makes tables grow.
    pub(crate) const ALL: [Self; 8] = [
        Self::W1,
        Self::W2,
        Self::W3,
        Self::W4,
        Self::W8,
        Self::W7,
        Self::W5,
        Self::W6,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::W1 => "W1",
            Self::W2 => "W2",
            Self::W3 => "W3",
            Self::W4 => "W4",
            Self::W5 => "W5",
            Self::W6 => "W6",
            Self::W7 => "W7",
            Self::W8 => "W8",
        }
    }

    /// As the product has its statements planned.
    pub(crate) fn plans(self) -> Plans {
        match self {
            Self::W1 | Self::W2 | Self::W3 => Plans::Kept,
            Self::W4 | Self::W5 | Self::W6 | Self::W7 | Self::W8 => Plans::AsItThinksBest,
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::W1 => "one lead",
            Self::W2 => "list of 50 by status",
            Self::W3 => "the same, 5 activities each",
            Self::W4 => "statistics",
            Self::W5 => "create one",
            Self::W6 => "bulk create 1,000",
            Self::W7 => "list of 50, cached",
            Self::W8 => "search",
        }
    }

    /// How many times longer a round lasts than the others': one request takes so long that there would be too few.
    pub(crate) fn stretch(self) -> u32 {
        match self {
            Self::W4 | Self::W8 => 2,
            Self::W6 => 5,
            _ => 1,
        }
    }

    /// Whether it is measured against servers that answer lists from their caches.
    pub(crate) fn is_cached(self) -> bool {
        self == Self::W7
    }

    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::W5 | Self::W6)
    }

    /// The path of those whose requests differ by their bodies, or not at all.
    pub(crate) fn path(self) -> String {
        let list = format!("/api/v1/leads?status={STATUS}&limit=50");
        match self {
            Self::W1 | Self::W5 => "/api/v1/leads".to_owned(),
            Self::W2 | Self::W7 => list,
            Self::W3 => format!("{list}&include=activities"),
            Self::W4 => "/api/v1/leads/statistics".to_owned(),
            Self::W6 => "/api/v1/leads/bulk".to_owned(),
            Self::W8 => "/api/v1/leads/search".to_owned(),
        }
    }
}
