use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One kind of answer that is cached. Each has a policy of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    LeadList,
    Lead,
    LeadStatistics,
    LeadSearch,
    ActivityList,
    Activity,
    UserList,
    User,
    AgentList,
    CarrierList,
    Carrier,
    Tenant,
    Me,
}

impl Namespace {
    pub const ALL: [Self; 13] = [
        Self::LeadList,
        Self::Lead,
        Self::LeadStatistics,
        Self::LeadSearch,
        Self::ActivityList,
        Self::Activity,
        Self::UserList,
        Self::User,
        Self::AgentList,
        Self::CarrierList,
        Self::Carrier,
        Self::Tenant,
        Self::Me,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeadList => "leads.list",
            Self::Lead => "leads.one",
            Self::LeadStatistics => "leads.statistics",
            Self::LeadSearch => "leads.search",
            Self::ActivityList => "activities.list",
            Self::Activity => "activities.one",
            Self::UserList => "users.list",
            Self::User => "users.one",
            Self::AgentList => "agents.list",
            Self::CarrierList => "carriers.list",
            Self::Carrier => "carriers.one",
            Self::Tenant => "tenant",
            Self::Me => "me",
        }
    }

    /// Its place in [`Namespace::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// How it is cached unless configuration says otherwise.
    pub fn strategy(self) -> Strategy {
        match self {
            Self::LeadList
            | Self::Lead
            | Self::ActivityList
            | Self::Activity
            | Self::UserList
            | Self::AgentList
            | Self::Me => Strategy::ShortTerm,
            Self::LeadSearch => Strategy::Search,
            Self::LeadStatistics => Strategy::Statistics,
            Self::CarrierList | Self::Carrier => Strategy::Catalogue,
            Self::User | Self::Tenant => Strategy::Profile,
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Namespace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|namespace| namespace.as_str() == text)
            .ok_or(())
    }
}

/// How long kinds of answers stay, by name.
///
/// Answers are dropped by what changed them; time is the second net. Hence none is short for correctness' sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Lists, single things, sessions and permissions: 300 s.
    ShortTerm,
    /// Searches are many and seldom repeated: 180 s.
    Search,
    /// Aggregates: 600 s.
    Statistics,
    /// Catalogues: 600 s.
    Catalogue,
    /// Profiles: 3,600 s.
    Profile,
}

impl Strategy {
    pub fn ttl(self) -> Duration {
        Duration::from_secs(match self {
            Self::ShortTerm => 300,
            Self::Search => 180,
            Self::Statistics | Self::Catalogue => 600,
            Self::Profile => 3_600,
        })
    }
}

/// How answers of one namespace are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether they are kept at all.
    pub enabled: bool,
    /// How long an answer counts as fresh; up to a tenth of it is taken off at random, so that what was loaded together
    /// does not expire together.
    pub ttl: Duration,
    /// How much longer it is served while one request loads it anew, or when that load fails.
    pub stale: Duration,
    /// Whether what lies in the shared level is compressed, above 1 KB.
    pub compress: bool,
    /// Whether what lies in the shared level is encrypted.
    pub encrypt: bool,
}

impl From<Strategy> for Policy {
    fn from(strategy: Strategy) -> Self {
        Self {
            enabled: true,
            ttl: strategy.ttl(),
            stale: Duration::from_mins(1),
            compress: true,
            encrypt: false,
        }
    }
}
