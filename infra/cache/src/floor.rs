//! Up to where a load must read.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::consistency::{Consistency, LogPosition};

use crate::cache::Inner;
use crate::generations::Snapshot;

/// A replica that is further behind is out of the rotation long before.
const FLOOR_MATTERS_FOR: Duration = Duration::from_mins(1);

/// A position from after the start of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    position: LogPosition,
    learnt: Instant,
}

/// What is known of commits that nobody can name.
#[derive(Debug)]
pub(crate) struct Floors {
    /// `None`: something was committed, and nobody knows where; loads read all there is.
    floor: Option<Floor>,
    /// Since when there was none.
    unknown_since: Instant,
}

/// What a load must see, and what its answer may tell of the floor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Required {
    pub(crate) consistency: Consistency,
    /// Set when the load reads all there is, because there is no floor.
    began: Option<Instant>,
}

impl Default for Floors {
    /// Of a process that starts: what was committed before is none of its tags' business, and may be anywhere.
    fn default() -> Self {
        Self {
            floor: None,
            unknown_since: Instant::now(),
        }
    }
}

impl Floor {
    fn position(self) -> LogPosition {
        if self.learnt.elapsed() < FLOOR_MATTERS_FOR {
            self.position
        } else {
            LogPosition::UNKNOWN
        }
    }
}

impl Inner {
    /// What a load must see: what the caller asks, and what bumped the tags of `snapshot`.
    pub(crate) fn required(&self, consistency: Consistency, snapshot: &Snapshot) -> Required {
        match &self.floors().floor {
            None => Required {
                consistency: Consistency::Strong,
                began: Some(Instant::now()),
            },
            Some(floor) => Required {
                consistency: consistency.raised_to(floor.position().latest(self.generations.fence(snapshot))),
                began: None,
            },
        }
    }

    /// Takes note of what a load saw.
    pub(crate) fn note_seen(&self, required: Required, as_of: LogPosition) {
        if as_of == LogPosition::UNKNOWN {
            return;
        }
        let mut floors = self.floors();
        let is_news = match &floors.floor {
            // It has seen the commit that nobody can name, if it has read the primary. What it says of that may be
            // somewhat older: only when that is younger than the commit, too, it bounds it.
            None => required
                .began
                .is_some_and(|began| began >= floors.unknown_since + self.settings.sight_lag),
            // After a failover no node reaches positions of the old timeline any more.
            Some(floor) => floor.position.timeline < as_of.timeline,
        };
        if is_news {
            floors.floor = Some(Floor {
                position: as_of,
                learnt: Instant::now(),
            });
        }
    }

    /// What is loaded next sees at least `position`.
    pub(crate) fn raise_floor(&self, position: LogPosition) {
        if let Some(known) = &mut self.floors().floor {
            *known = Floor {
                position: known.position.latest(position),
                learnt: Instant::now(),
            };
        }
    }

    /// Something was committed, and nobody knows where: what is loaded next reads all there is.
    pub(crate) fn forget_floor(&self) {
        *self.floors() = Floors::default();
    }

    fn floors(&self) -> MutexGuard<'_, Floors> {
        self.floors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
