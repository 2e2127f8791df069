use thiserror::Error;

/// How requests come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// So many a second, however long they take.
    Open { per_second: f64 },
    /// From so many clients, each of which asks again so long after it was answered.
    Closed { clients: u32, think_ms: f64 },
}

/// How an installation fares now.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    pub load: Load,
    /// How many requests are answered each second, how long they take on average, and all but a twentieth of them.
    pub throughput_per_second: f64,
    pub mean_ms: f64,
    pub p95_ms: f64,
    /// The cores that the processes may use, and how many of them they do.
    pub cores: f64,
    pub busy_cores: f64,
    /// How long a request waits for services that are called.
    pub upstream_ms: f64,
    pub primary: NodeUse,
    /// Those that serve reads, all alike.
    pub replicas: Vec<NodeUse>,
    /// The nodes run on the cores of the processes, and take them from these.
    pub shares_cores: bool,
    pub cache: Option<CacheShare>,
}

/// A node of the database, and the pool before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeUse {
    pub connections: u32,
    /// How many of them are lent, on average.
    pub lent: f64,
    pub cores: f64,
    pub busy_cores: f64,
}

/// How much the database has to do because answers are not in the cache.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CacheShare {
    /// Which share of lookups finds an answer.
    pub hits: f64,
    /// Which share of the database's work is for those that do not.
    pub of_database: f64,
}

/// Figures from which nothing follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WrongLive {
    #[error("there was no load to learn from")]
    Idle,
    #[error("a figure is negative, no number, or more than there is")]
    Figure,
    #[error("there are more clients or connections than the model takes")]
    TooLarge,
}

impl Live {
    /// More clients than these take too long to reckon with.
    pub const MOST_CLIENTS: u32 = 1_000;
    pub const MOST_CONNECTIONS: u32 = 1_000;

    pub(super) fn check(&self) -> Result<(), WrongLive> {
        let nodes = || self.replicas.iter().chain([&self.primary]);
        let shares = self.cache.map(|cache| [cache.hits, cache.of_database]);
        let (amount, think) = match self.load {
            Load::Open { per_second } => (per_second, 0.0),
            Load::Closed { clients, think_ms } => (f64::from(clients), think_ms),
        };
        let is_number = |figure: &f64| figure.is_finite() && *figure >= 0.0;
        let figures = [
            amount,
            think,
            self.throughput_per_second,
            self.mean_ms,
            self.p95_ms,
            self.cores,
            self.busy_cores,
            self.upstream_ms,
        ];
        let of_nodes = nodes().flat_map(|node| [node.lent, node.cores, node.busy_cores]);
        if !figures
            .into_iter()
            .chain(of_nodes)
            .all(|figure| is_number(&figure))
            || !shares
                .into_iter()
                .flatten()
                .all(|share| (0.0..=1.0).contains(&share))
            || nodes().any(|node| node.lent > 1.01 * f64::from(node.connections))
            || nodes().any(|node| node.busy_cores > 1.05 * node.cores)
            || self.busy_cores > 1.05 * self.cores
        {
            return Err(WrongLive::Figure);
        }
        if amount <= 0.0 || self.throughput_per_second <= 0.0 || self.mean_ms <= 0.0 {
            return Err(WrongLive::Idle);
        }
        let too_many_clients =
            matches!(self.load, Load::Closed { clients, .. } if clients > Self::MOST_CLIENTS);
        if too_many_clients || nodes().any(|node| node.connections > Self::MOST_CONNECTIONS) {
            return Err(WrongLive::TooLarge);
        }
        Ok(())
    }
}
