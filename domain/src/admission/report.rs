use std::time::Duration;

use super::{Class, Party, Reason};

/// How a gate fares. Counts are those since it began.
#[derive(Clone, Debug)]
pub struct GateReport {
    /// How many may be behind it, besides operators.
    pub limit: u32,
    pub min_limit: u32,
    pub max_limit: u32,
    /// How many times longer than usual the database has lately taken.
    pub slowdown: f64,
    /// How much of it is taken: those that are worked on together take less than one each.
    pub taken: u32,
    /// By [`Class::index`], here and below.
    pub in_flight: [u32; Class::COUNT],
    pub waiting: [usize; Class::COUNT],
    pub admitted: [u64; Class::COUNT],
    /// Those of the admitted that had to wait.
    pub waited: [u64; Class::COUNT],
    /// By [`Reason::index`].
    pub refused: [[u64; Reason::COUNT]; Class::COUNT],
    /// How many have anything behind the gate or in front of it.
    pub parties: usize,
    /// What a request has lately taken behind the gate.
    pub stay: Duration,
    /// Since how long so many requests fail that bulk work is refused; `None`: it is not.
    pub shedding_for: Option<Duration>,
    /// How often that has begun.
    pub shed_spells: u64,
    /// Of the requests of the last window, of 1.
    pub error_rate: f64,
    /// Those that were refused most often, most first.
    pub most_refused: Vec<(Party, u64)>,
}
