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
    pub(crate) fn required(&self, consistency: Consistency, snapshot: &Snapshot) -> Consistency {
        match self.floor().as_ref() {
            None => Consistency::Strong,
            Some(floor) => consistency.raised_to(floor.position().latest(self.generations.fence(snapshot))),
        }
    }

    /// Takes note of what a load saw.
    pub(crate) fn note_seen(&self, as_of: LogPosition) {
        if as_of == LogPosition::UNKNOWN {
            return;
        }
        let mut floor = self.floor();
        // After a failover no node reaches positions of the old timeline any more.
        if floor
            .as_ref()
            .is_none_or(|floor| floor.position.timeline < as_of.timeline)
        {
            *floor = Some(Floor {
                position: as_of,
                learnt: Instant::now(),
            });
        }
    }

    /// What is loaded next sees at least `position`.
    pub(crate) fn raise_floor(&self, position: LogPosition) {
        let mut floor = self.floor();
        if let Some(known) = floor.as_mut() {
            *known = Floor {
                position: known.position.latest(position),
                learnt: Instant::now(),
            };
        }
    }

    /// Something was committed, and nobody knows where: what is loaded next reads all there is.
    pub(crate) fn forget_floor(&self) {
        *self.floor() = None;
    }

    fn floor(&self) -> MutexGuard<'_, Option<Floor>> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
