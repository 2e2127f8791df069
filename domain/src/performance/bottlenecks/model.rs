use super::Resource;

/// What would have to go for the time to go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A statement that takes long each time.
    SlowQuery(String),
    /// A statement that is asked again and again for one request.
    RepeatedQuery(String),
    /// What is locked in a table while others wait for it.
    Lock(String),
    /// Too few connections for what they are lent for.
    Pool(String),
    /// Answers of a route that are not there when they are asked for.
    CacheMisses(String),
    /// The cache that processes share takes long.
    SharedCache,
    Upstream(String),
    Cpu,
    Queue(String),
    /// Something is nearly used up.
    Exhaustion {
        resource: Resource,
        name: String,
    },
}

impl Cause {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SlowQuery(_) => "slow-query",
            Self::RepeatedQuery(_) => "repeated-query",
            Self::Lock(_) => "lock",
            Self::Pool(_) => "pool",
            Self::CacheMisses(_) => "cache-misses",
            Self::SharedCache => "shared-cache",
            Self::Upstream(_) => "upstream",
            Self::Cpu => "cpu",
            Self::Queue(_) => "queue",
            Self::Exhaustion { .. } => "exhaustion",
        }
    }

    /// Which one; `None` where there is one only.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::SlowQuery(name)
            | Self::RepeatedQuery(name)
            | Self::Pool(name)
            | Self::CacheMisses(name)
            | Self::Upstream(name)
            | Self::Queue(name)
            | Self::Lock(name)
            | Self::Exhaustion { name, .. } => Some(name),
            Self::Cpu | Self::SharedCache => None,
        }
    }
}

/// A step from what is slow to why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    Route(String),
    Cache(String),
    SharedCache,
    Pool(String),
    Query(String),
    Lock(String),
    Upstream(String),
    Cpu,
    Queue(String),
    Resource(Resource),
}

/// From the route that suffers most to the cause.
pub type Chain = Vec<Link>;

/// Whom it holds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affected {
    Requests(u64),
    Jobs(u64),
    /// Nobody yet.
    Headroom,
}

/// What it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impact {
    pub affected: Affected,
    /// How many milliseconds each of them, on average.
    pub ms_each: f64,
    /// Which share of all requests' time it takes; of a backlog, which share of its jobs' time is waiting; of a resource,
    /// how much of it is used.
    pub share: f64,
}

/// What says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    pub name: &'static str,
    pub value: f64,
    pub unit: &'static str,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    AddIndex,
    AskOnce,
    ShortenTransaction,
    EnlargePool,
    KeepLonger,
    MendCache,
    CallElsewhere,
    AddCores,
    AddWorkers,
    AddCapacity,
}

impl Act {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AddIndex => "add-index",
            Self::AskOnce => "ask-once",
            Self::ShortenTransaction => "shorten-transaction",
            Self::EnlargePool => "enlarge-pool",
            Self::KeepLonger => "keep-longer",
            Self::MendCache => "mend-cache",
            Self::CallElsewhere => "call-elsewhere",
            Self::AddCores => "add-cores",
            Self::AddWorkers => "add-workers",
            Self::AddCapacity => "add-capacity",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    pub act: Act,
    pub text: String,
}

/// Something that holds others up.
#[derive(Clone, Debug, PartialEq)]
pub struct Bottleneck {
    pub cause: Cause,
    pub chain: Chain,
    pub impact: Impact,
    pub facts: Vec<Fact>,
    pub advice: Advice,
}
