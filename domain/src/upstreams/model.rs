use std::time::Duration;

use time::OffsetDateTime;

use super::UpstreamFault;

/// How calls to a service are let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerState {
    /// All of them.
    #[default]
    Closed,
    /// One at a time, to find out whether it is well again.
    HalfOpen,
    /// None.
    Open,
}

impl BreakerState {
    pub const ALL: [Self; 3] = [Self::Closed, Self::HalfOpen, Self::Open];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

/// That an operator keeps a breaker open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub operator: String,
    pub reason: String,
    pub since: OffsetDateTime,
    /// `None`: until an operator closes it.
    pub until: Option<OffsetDateTime>,
}

/// A failure of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastFault {
    pub at: OffsetDateTime,
    pub fault: UpstreamFault,
}

/// How one service fares, as this process sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamReport {
    pub name: &'static str,
    pub state: BreakerState,
    /// Since when it is in this state.
    pub since: OffsetDateTime,
    pub hold: Option<Hold>,
    /// When a call is let through to find out whether it is well; `None` while it is closed, or is held without an end.
    pub next_probe: Option<OffsetDateTime>,
    /// Whether a call was refused here because another process is to find out whether the service is back, or is finding that
    /// out here because none was.
    pub awaits_turn: bool,
    /// How many failures there were within the time that counts, and how many open the breaker.
    pub failures: usize,
    pub failures_allowed: usize,
    pub in_flight: usize,
    pub max_in_flight: usize,
    /// Since the start: calls that were asked for,
    pub calls: u64,
    /// those that were answered,
    pub succeeded: u64,
    /// those that came to nothing, by [`UpstreamFault::NAMES`],
    pub faults: [u64; UpstreamFault::NAMES.len()],
    /// attempts beyond the first of a call,
    pub retries: u64,
    /// and how often the breaker has opened by itself.
    pub opened: u64,
    /// How long attempts took.
    pub attempts: Times,
    /// The newest first.
    pub last_faults: Vec<LastFault>,
}

/// How many took how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// How many took no longer than each of [`Times::BOUNDS`], none of them twice, and how many took longer.
    pub counts: [u64; Times::BOUNDS.len() + 1],
    pub sum: Duration,
}

impl Times {
    pub const BOUNDS: [Duration; 9] = [
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(300),
        Duration::from_millis(500),
        Duration::from_millis(800),
        Duration::from_millis(1_500),
        Duration::from_secs(3),
        Duration::from_secs(5),
        Duration::from_secs(15),
    ];

    pub fn note(&mut self, took: Duration) {
        self.counts[Self::BOUNDS.partition_point(|bound| *bound < took)] += 1;
        self.sum += took;
    }
}
