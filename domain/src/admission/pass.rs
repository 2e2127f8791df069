//! What goes in and out of a [`Gate`](super::Gate).

use std::time::{Duration, Instant};

use super::{Class, Party};

/// A request that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arrival {
    pub party: Party,
    pub class: Class,
    pub room: Room,
}

/// How much room a request takes behind the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Room {
    /// As much as one does.
    Own,
    /// It is worked on together with those of its party that are like it, and takes room with them: see [`Together`].
    Shared,
}

/// What requests that are worked on together ask of the database: so many statements at once, whatever their number, and
/// so many requests a statement.
#[derive(Clone, Copy, Debug)]
pub struct Together {
    pub abreast: u32,
    pub most: u32,
}

impl Together {
    /// Whether the room taken grows with the `number`th of a party. What is more than goes together at once takes room as
    /// any other does: it would only wait.
    pub(super) fn takes_room(self, number: u32) -> bool {
        number <= self.abreast || number > self.abreast.saturating_mul(self.most)
    }
}

/// What is said to a request that comes.
#[derive(Debug)]
pub enum Verdict {
    Admitted(Pass),
    /// It is called, or refused at `until`, by [`Gate::time_out`](super::Gate::time_out).
    Waits {
        ticket: Ticket,
        until: Instant,
    },
    Refused(Refusal),
}

/// Leave to be behind the gate, to be given back to [`Gate::leave`](super::Gate::leave).
#[derive(Debug)]
pub struct Pass {
    pub(super) arrival: Arrival,
    pub(super) since: Instant,
    /// What its party was charged; `None`: it took no room of its own, and nothing is learnt from it.
    pub(super) charged: Option<f64>,
    /// How much room was taken, its own included.
    pub(super) busy: u32,
}

/// A place in front of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub(super) number: u64,
    pub(super) arrival: Arrival,
}

/// What became of one who waited.
#[derive(Debug)]
pub struct Call {
    pub ticket: Ticket,
    pub verdict: Result<Pass, Refusal>,
}

/// A request that is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub class: Class,
    /// When it makes sense to come again.
    pub retry_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is more to do than can be done.
    Overloaded,
    /// And the party has more than its share of it, while others ask, too.
    OverShare,
    /// Many requests fail, and this one can be done later.
    Shed,
}

impl Reason {
    pub const COUNT: usize = Self::ALL.len();
    /// Each at its [`Reason::index`].
    pub const ALL: [Self; 3] = [Self::Overloaded, Self::OverShare, Self::Shed];

    pub const fn index(self) -> usize {
        self as usize
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::OverShare => "over-share",
            Self::Shed => "shed",
        }
    }
}

/// What became of a request behind the gate.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// Tells operations apart, since each has a usual time of its own.
    pub operation: u64,
    pub outcome: Outcome,
    /// How long the database worked for it; `None`: it was not asked.
    pub database: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    /// The client's mistake: it says nothing of how fast we are.
    Declined,
    Failed,
}
