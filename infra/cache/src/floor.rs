//! Up to where a load must read.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::consistency::{Consistency, LogPosition};

use tokio::time::timeout;

use crate::cache::Inner;
use crate::generations::Snapshot;

/// A replica that is further behind is out of the rotation long before.
const FLOOR_MATTERS_FOR: Duration = Duration::from_mins(1);

/// How long the primary may take to tell how far it has come.
const PATIENCE: Duration = Duration::from_secs(2);

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

    /// What a load must see of tags that were bumped by a commit at `fence`. One of a timeline that is over asks for
    /// nothing any more: what was kept of it every node of this timeline has, and no node can say so.
    fn raised_to(self, fence: LogPosition) -> LogPosition {
        if fence.timeline < self.position.timeline {
            self.position()
        } else {
            self.position().latest(fence)
        }
    }

    /// The same of what a caller asks.
    fn left_of(self, asked: Consistency) -> Consistency {
        match asked {
            Consistency::AtLeast(token) if token.timeline < self.position.timeline => Consistency::Eventual,
            asked => asked,
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
                consistency: floor
                    .left_of(consistency)
                    .raised_to(floor.raised_to(self.generations.fence(snapshot))),
                began: None,
            },
        }
    }

    /// The same of tags that another process bumped: what was required, and `fence`.
    pub(crate) fn required_of_others(&self, required: Consistency, fence: LogPosition) -> Consistency {
        let floor = self.floors().floor;
        required.raised_to(floor.map_or(fence, |floor| floor.raised_to(fence)))
    }

    /// Takes note of what a load saw.
    pub(crate) fn note_seen(&self, required: Required, as_of: LogPosition) {
        if as_of == LogPosition::UNKNOWN || !self.is_of_timeline(as_of) {
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

    /// Up to where a load sees everything that was committed before; unknown when the primary does not tell. `None` when
    /// there is nobody to ask.
    pub(crate) async fn log_end(&self) -> Option<LogPosition> {
        let log = self.log_end.get()?;
        let end = timeout(PATIENCE, log.log_end()).await;
        Some(end.ok().and_then(Result::ok).unwrap_or(LogPosition::UNKNOWN))
    }

    /// What is loaded next sees at least `position`; all there is when that is unknown.
    pub(crate) fn take_floor(&self, position: Option<LogPosition>) {
        match position {
            Some(LogPosition::UNKNOWN) => self.forget_floor(),
            Some(position) => self.raise_floor(position),
            None => {}
        }
    }

    /// What is loaded next sees at least `position`.
    fn raise_floor(&self, position: LogPosition) {
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

    pub(crate) fn floors(&self) -> MutexGuard<'_, Floors> {
        self.floors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(learnt_ago: Duration) -> Floor {
        Floor {
            position: LogPosition::new(2, 500),
            learnt: Instant::now()
                .checked_sub(learnt_ago)
                .expect("the machine runs for longer"),
        }
    }

    #[test]
    fn what_was_bumped_before_a_failover_asks_no_more_than_the_floor() {
        let of_old_timeline = LogPosition::new(1, 900);

        assert_eq!(
            floor(Duration::ZERO).raised_to(of_old_timeline),
            LogPosition::new(2, 500)
        );
        let later = floor(FLOOR_MATTERS_FOR).raised_to(of_old_timeline);
        assert_eq!(later, LogPosition::UNKNOWN, "replicas are read again");
    }

    #[test]
    fn a_token_of_before_a_failover_asks_no_more_than_the_floor() {
        let asked = |position| floor(Duration::ZERO).left_of(Consistency::AtLeast(position));

        assert_eq!(asked(LogPosition::new(1, 900)), Consistency::Eventual);
        let of_this = LogPosition::new(2, 900);
        assert_eq!(asked(of_this), Consistency::AtLeast(of_this));
        assert_eq!(
            floor(Duration::ZERO).left_of(Consistency::Strong),
            Consistency::Strong
        );
    }

    #[test]
    fn what_was_bumped_since_is_asked_for_however_old_the_floor_is() {
        for learnt_ago in [Duration::ZERO, FLOOR_MATTERS_FOR] {
            let bumped = LogPosition::new(2, 600);
            assert_eq!(floor(learnt_ago).raised_to(bumped), bumped);
        }
    }
}
