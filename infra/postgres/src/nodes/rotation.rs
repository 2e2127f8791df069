//! When a node gets work: it leaves at once, and comes back when it has been well for a while.

use std::fmt;
use std::time::{Duration, Instant};

/// Why a node gets no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It takes no connection, or ended ours.
    Refuses,
    /// It does not answer in time.
    Silent,
    /// It is further behind the primary than a read may be.
    Lagging,
    /// It follows another timeline than that of the primary.
    Diverged,
    /// Configured as a replica, it does not follow anybody.
    NotAReplica,
    /// Configured as the primary, it follows another server.
    NotThePrimary,
}

/// Whether a node gets work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has looked yet.
    Unknown,
    Serving,
    /// Well again, but not yet for long enough.
    Returning,
    Out(Fault),
}

/// Decides on the standing from what is seen of the node.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    seen: bool,
    out: Option<Out>,
}

#[derive(Debug)]
struct Out {
    fault: Fault,
    well_since: Option<Instant>,
}

impl Rotation {
    /// Takes in how the node was found just now.
    pub(super) fn look(
        &mut self,
        found: Result<(), Fault>,
        now: Instant,
        return_after: Duration,
    ) -> Standing {
        self.seen = true;
        match (found, &mut self.out) {
            (Err(fault), _) => {
                self.out = Some(Out {
                    fault,
                    well_since: None,
                });
            }
            (Ok(()), Some(out)) => {
                let well_since = *out.well_since.get_or_insert(now);
                if now.saturating_duration_since(well_since) >= return_after {
                    self.out = None;
                }
            }
            (Ok(()), None) => {}
        }
        self.standing()
    }

    fn standing(&self) -> Standing {
        match &self.out {
            None if self.seen => Standing::Serving,
            None => Standing::Unknown,
            Some(Out {
                well_since: Some(_), ..
            }) => Standing::Returning,
            Some(out) => Standing::Out(out.fault),
        }
    }
}

impl Standing {
    const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Serving,
        Self::Returning,
        Self::Out(Fault::Refuses),
        Self::Out(Fault::Silent),
        Self::Out(Fault::Lagging),
        Self::Out(Fault::Diverged),
        Self::Out(Fault::NotAReplica),
        Self::Out(Fault::NotThePrimary),
    ];

    /// As a number, for an atomic.
    pub(super) fn code(self) -> u8 {
        let place = Self::ALL.iter().position(|standing| *standing == self);
        place
            .and_then(|place| u8::try_from(place).ok())
            .unwrap_or_default()
    }

    pub(super) fn of_code(code: u8) -> Self {
        Self::ALL[usize::from(code)]
    }

    /// In words that follow the name of the node.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "has not been looked at",
            Self::Serving => "serves",
            Self::Returning => "is well again, but not for long enough",
            Self::Out(fault) => fault.as_str(),
        }
    }

    /// Whether a connection to the node is of no use.
    pub(super) fn is_out_of_reach(self) -> bool {
        matches!(self, Self::Out(Fault::Refuses | Fault::Silent))
    }
}

impl Fault {
    fn as_str(self) -> &'static str {
        match self {
            Self::Refuses => "takes no connection",
            Self::Silent => "does not answer",
            Self::Lagging => "is too far behind",
            Self::Diverged => "follows another timeline",
            Self::NotAReplica => "is not a replica",
            Self::NotThePrimary => "is not the primary",
        }
    }
}

/// In words that follow the name of the node.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(5);

    #[test]
    fn a_node_leaves_at_once_and_returns_when_it_was_well_for_long_enough() {
        let (mut rotation, start) = (Rotation::default(), Instant::now());
        let mut look = |found, second| rotation.look(found, start + Duration::from_secs(second), AFTER);

        assert_eq!(look(Ok(()), 0), Standing::Serving);
        assert_eq!(look(Err(Fault::Lagging), 1), Standing::Out(Fault::Lagging));
        assert_eq!(look(Ok(()), 2), Standing::Returning);
        assert_eq!(look(Ok(()), 6), Standing::Returning);
        // Ill again: the time begins anew.
        assert_eq!(look(Err(Fault::Silent), 7), Standing::Out(Fault::Silent));
        assert_eq!(look(Ok(()), 8), Standing::Returning);
        assert_eq!(look(Ok(()), 12), Standing::Returning);
        assert_eq!(look(Ok(()), 13), Standing::Serving);
    }

    #[test]
    fn a_node_that_is_ill_at_the_start_is_not_let_in_early() {
        let (mut rotation, start) = (Rotation::default(), Instant::now());

        assert_eq!(rotation.standing(), Standing::Unknown);
        rotation.look(Err(Fault::Refuses), start, AFTER);

        assert_eq!(rotation.look(Ok(()), start, AFTER), Standing::Returning);
        assert_eq!(rotation.look(Ok(()), start, Duration::ZERO), Standing::Serving);
    }

    #[test]
    fn every_standing_has_a_number_of_its_own() {
        for standing in Standing::ALL {
            assert_eq!(Standing::of_code(standing.code()), standing);
        }
    }
}
