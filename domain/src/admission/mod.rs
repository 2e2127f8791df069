//! How much is done at once, and for whom.
//!
//! More requests at once than the database and the processor can work on make each of them slower and none more. So a
//! [`Gate`] stands in front of the database: an adaptive limit says how many requests may be behind it, and those that
//! come when there is no room wait for a moment, or are refused at once.
//!
//! Room is given by [`Class`] first, then to whichever [`Party`] has had least of it for its weight, in time spent behind
//! the gate. So a tenant that asks fifty times its share waits for itself, and the others hardly for it. When many requests fail, a [`Spike`] has
//! bulk work refused, too.
//!
//! All of it is arithmetic on moments that are passed in: it waits for nothing, and its memory is bounded by how many may
//! be behind the gate and in front of it.

mod frequent;
mod gate;
mod lane;
mod limit;
mod pass;
mod report;
mod settings;
mod spike;

pub use frequent::Frequent;
pub use gate::Gate;
pub use pass::{Arrival, Call, Done, Outcome, Pass, Reason, Refusal, Room, Ticket, Together, Verdict};
pub use report::GateReport;
pub use settings::{GateSettings, SpikeSettings};
pub use spike::Spike;

use crate::identity::TenantId;

/// How urgent a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Of those who look after the platform: always gets through, and takes no room from others.
    Operator,
    /// Somebody waits for it.
    Interactive,
    /// Much at once, which nobody watches: it has what is left, and is refused first.
    Bulk,
}

impl Class {
    pub const COUNT: usize = Self::ALL.len();
    /// Each at its [`Class::index`].
    pub const ALL: [Self; 3] = [Self::Operator, Self::Interactive, Self::Bulk];

    pub const fn index(self) -> usize {
        self as usize
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
        }
    }
}

/// Those who have a share together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    Tenant(TenantId),
    /// Who logs in or signs up: nobody knows yet who they are.
    Strangers,
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
