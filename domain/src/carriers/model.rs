use time::OffsetDateTime;

use crate::{Id, Revision};

/// An insurance company that a tenant sells for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carrier {
    pub id: CarrierId,
    /// Unique in its tenant.
    pub name: String,
    pub active: bool,
    pub partnership_status: PartnershipStatus,
    pub partnership_tier: PartnershipTier,
    /// 0 to 100.
    pub performance_score: i32,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

pub type CarrierId = Id<Carrier>;

impl Carrier {
    pub fn revision(&self) -> Revision {
        Revision::made_at(self.version, self.updated_at)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartnershipStatus {
    Prospect,
    Active,
    Suspended,
    Ended,
}

impl PartnershipStatus {
    pub const ALL: [Self; 4] = [Self::Prospect, Self::Active, Self::Suspended, Self::Ended];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prospect => "PROSPECT",
            Self::Active => "ACTIVE",
            Self::Suspended => "SUSPENDED",
            Self::Ended => "ENDED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartnershipTier {
    Bronze,
    Silver,
    Gold,
    Platinum,
}

impl PartnershipTier {
    pub const ALL: [Self; 4] = [Self::Bronze, Self::Silver, Self::Gold, Self::Platinum];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bronze => "BRONZE",
            Self::Silver => "SILVER",
            Self::Gold => "GOLD",
            Self::Platinum => "PLATINUM",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == text)
    }
}
