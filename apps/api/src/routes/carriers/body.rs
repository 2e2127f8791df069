use fairlead_domain::carriers::{PartnershipStatus, PartnershipTier};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far the partnership with a carrier has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = PartnershipStatus)]
pub(super) enum StatusName {
    Prospect,
    Active,
    Suspended,
    Ended,
}

/// How close the partnership with a carrier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = PartnershipTier)]
pub(super) enum TierName {
    Bronze,
    Silver,
    Gold,
    Platinum,
}

impl From<PartnershipStatus> for StatusName {
    fn from(status: PartnershipStatus) -> Self {
        match status {
            PartnershipStatus::Prospect => Self::Prospect,
            PartnershipStatus::Active => Self::Active,
            PartnershipStatus::Suspended => Self::Suspended,
            PartnershipStatus::Ended => Self::Ended,
        }
    }
}

impl From<StatusName> for PartnershipStatus {
    fn from(status: StatusName) -> Self {
        match status {
            StatusName::Prospect => Self::Prospect,
            StatusName::Active => Self::Active,
            StatusName::Suspended => Self::Suspended,
            StatusName::Ended => Self::Ended,
        }
    }
}

impl From<PartnershipTier> for TierName {
    fn from(tier: PartnershipTier) -> Self {
        match tier {
            PartnershipTier::Bronze => Self::Bronze,
            PartnershipTier::Silver => Self::Silver,
            PartnershipTier::Gold => Self::Gold,
            PartnershipTier::Platinum => Self::Platinum,
        }
    }
}

impl From<TierName> for PartnershipTier {
    fn from(tier: TierName) -> Self {
        match tier {
            TierName::Bronze => Self::Bronze,
            TierName::Silver => Self::Silver,
            TierName::Gold => Self::Gold,
            TierName::Platinum => Self::Platinum,
        }
    }
}

impl StatusName {
    /// The domain takes it as text, because it also comes from files.
    pub(super) fn text(self) -> String {
        PartnershipStatus::from(self).as_str().to_owned()
    }
}

impl TierName {
    pub(super) fn text(self) -> String {
        PartnershipTier::from(self).as_str().to_owned()
    }
}
