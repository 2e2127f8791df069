use super::Index;

/// An index that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct ExistingIndex {
    pub name: String,
    pub index: Index,
    /// It keeps values apart, or belongs to a constraint: it is needed, used or not.
    pub is_constraint: bool,
    /// Its building was broken off, so it is kept up to date and never used.
    pub is_invalid: bool,
    /// How often it was used since statistics are kept; `None`: not known.
    pub scans: Option<u64>,
    pub bytes: u64,
}

/// What is wrong with an index that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexFinding {
    /// It is to be dropped, and built again if it is wanted.
    Invalid { name: String },
    /// It is the same as another one.
    Duplicate { name: String, of: String },
    /// It is the beginning of another one.
    Redundant { name: String, beside: String },
    /// It was not used in so many days.
    Unused { name: String, days: u32 },
}

impl IndexFinding {
    /// What was not used for a shorter time may be there for the end of a month.
    pub const UNUSED_DAYS: u32 = 31;

    pub fn name(&self) -> &str {
        match self {
            Self::Invalid { name }
            | Self::Duplicate { name, .. }
            | Self::Redundant { name, .. }
            | Self::Unused { name, .. } => name,
        }
    }
}

/// Finds indexes that cost and do not pay: one thing about each. `days`: for how long statistics are kept.
pub fn findings(existing: &[ExistingIndex], days: u32) -> Vec<IndexFinding> {
    existing
        .iter()
        .enumerate()
        .filter_map(|(at, index)| finding(existing, at, index, days))
        .collect()
}

fn finding(existing: &[ExistingIndex], at: usize, index: &ExistingIndex, days: u32) -> Option<IndexFinding> {
    let name = index.name.clone();
    if index.is_invalid {
        return Some(IndexFinding::Invalid { name });
    }
    if index.is_constraint {
        return None;
    }
    let others = || existing.iter().enumerate().filter(|(other, _)| *other != at);
    let valid = || others().filter(|(_, other)| !other.is_invalid);
    // Of two that are the same the first one stays, or the one that is needed.
    let same =
        valid().find(|(place, other)| other.index == index.index && (*place < at || other.is_constraint));
    if let Some((_, other)) = same {
        let of = other.name.clone();
        return Some(IndexFinding::Duplicate { name, of });
    }
    let wider = valid().find(|(_, other)| other.index != index.index && other.index.replaces(&index.index));
    if let Some((_, other)) = wider {
        let beside = other.name.clone();
        return Some(IndexFinding::Redundant { name, beside });
    }
    (index.scans == Some(0) && days >= IndexFinding::UNUSED_DAYS)
        .then_some(IndexFinding::Unused { name, days })
}
