use std::fmt;
use std::str::FromStr;

use crate::Id;
use crate::carriers::CarrierId;
use crate::identity::UserId;
use crate::leads::LeadId;

/// What an answer depends on, within one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// Everything of the tenant; each of its answers depends on it without saying so.
    Whole,
    /// Which leads there are, and what stands in any of them: lists and searches.
    Leads,
    Lead(LeadId),
    /// Counts of leads by status.
    Statistics,
    /// Activities of any lead.
    Activities,
    LeadActivities(LeadId),
    /// Which users there are, and what stands in any of them.
    Users,
    User(UserId),
    /// Who takes leads, and how many each holds.
    Agents,
    Carriers,
    Carrier(CarrierId),
    /// The tenant's own name and settings.
    Tenant,
    ApiKeys,
}

impl Tag {
    /// The kinds of tags, as reports name them.
    pub const KINDS: [&'static str; 13] = [
        "whole",
        "leads",
        "lead",
        "statistics",
        "activities",
        "lead-activities",
        "users",
        "user",
        "agents",
        "carriers",
        "carrier",
        "tenant",
        "api-keys",
    ];

    /// The kind's place in [`Tag::KINDS`].
    pub fn kind(self) -> usize {
        match self {
            Self::Whole => 0,
            Self::Leads => 1,
            Self::Lead(_) => 2,
            Self::Statistics => 3,
            Self::Activities => 4,
            Self::LeadActivities(_) => 5,
            Self::Users => 6,
            Self::User(_) => 7,
            Self::Agents => 8,
            Self::Carriers => 9,
            Self::Carrier(_) => 10,
            Self::Tenant => 11,
            Self::ApiKeys => 12,
        }
    }

    /// The 128 bits of the thing's id; zero for a tag that stands for many things.
    pub fn id_bits(self) -> u128 {
        match self {
            Self::Lead(id) | Self::LeadActivities(id) => id.as_uuid().as_u128(),
            Self::User(id) => id.as_uuid().as_u128(),
            Self::Carrier(id) => id.as_uuid().as_u128(),
            Self::Whole
            | Self::Leads
            | Self::Statistics
            | Self::Activities
            | Self::Users
            | Self::Agents
            | Self::Carriers
            | Self::Tenant
            | Self::ApiKeys => 0,
        }
    }
}

/// `leads`, or `lead:01934f6e-7b1a-7cc3-98a4-0242ac120001`.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::KINDS[self.kind()])?;
        match self {
            Self::Lead(id) | Self::LeadActivities(id) => write!(f, ":{id}"),
            Self::User(id) => write!(f, ":{id}"),
            Self::Carrier(id) => write!(f, ":{id}"),
            _ => Ok(()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a tag such as `leads`, or one with an id such as `lead:01934f6e-7b1a-7cc3-98a4-0242ac120001`"
)]
pub struct InvalidTag;

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        fn id<T>(text: &str) -> Result<Id<T>, InvalidTag> {
            text.parse().map_err(|_| InvalidTag)
        }
        match text.split_once(':') {
            Some(("lead", lead)) => id(lead).map(Self::Lead),
            Some(("lead-activities", lead)) => id(lead).map(Self::LeadActivities),
            Some(("user", user)) => id(user).map(Self::User),
            Some(("carrier", carrier)) => id(carrier).map(Self::Carrier),
            Some(_) => Err(InvalidTag),
            None => match text {
                "whole" => Ok(Self::Whole),
                "leads" => Ok(Self::Leads),
                "statistics" => Ok(Self::Statistics),
                "activities" => Ok(Self::Activities),
                "users" => Ok(Self::Users),
                "agents" => Ok(Self::Agents),
                "carriers" => Ok(Self::Carriers),
                "tenant" => Ok(Self::Tenant),
                "api-keys" => Ok(Self::ApiKeys),
                _ => Err(InvalidTag),
            },
        }
    }
}
