//! How fresh a read must be, and how that is told: positions in the log of the database.
//!
//! A write ends at a position of the log; a replica has replayed the log up to one. A read that must see a write goes
//! to a node known to have come at least as far.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

/// A position in the write-ahead log.
///
/// A cluster that fails over starts a new timeline. Positions of different timelines are not comparable: the end of the
/// old one may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogPosition {
    /// Counted from 1; 0 only in [`LogPosition::UNKNOWN`].
    pub timeline: u32,
    /// Bytes since the log began.
    pub lsn: u64,
    /// Tells commits apart that were told the same position; 0 where no commit is meant. Says nothing of the place.
    pub mark: u32,
}

impl LogPosition {
    /// Before everything: every read sees at least this.
    pub const UNKNOWN: Self = Self::new(0, 0);

    /// A place in the log.
    pub const fn new(timeline: u32, lsn: u64) -> Self {
        Self {
            timeline,
            lsn,
            mark: 0,
        }
    }

    /// The same place, as that of one commit.
    #[must_use]
    pub fn of_commit(self, mark: NonZeroU32) -> Self {
        Self {
            mark: mark.get(),
            ..self
        }
    }

    /// What marks the commit whose first event this is: who reads the log knows the commit by it.
    pub fn mark_of(first_event: Uuid) -> NonZeroU32 {
        // The end of an id is random.
        let (_, end) = first_event.as_u64_pair();
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        NonZeroU32::new(end as u32).unwrap_or(NonZeroU32::MIN)
    }

    /// Whether a node at this position has all that was written up to `other`.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        other == Self::UNKNOWN || (self.timeline == other.timeline && self.lsn >= other.lsn)
    }

    /// Whether who reads at this position sees all that is left of what was written up to `other`. What was kept of a
    /// timeline that is over every position of a newer one has, and the rest nobody has any more.
    #[must_use]
    pub fn covers_what_is_left_of(self, other: Self) -> bool {
        self.covers(other) || self.timeline > other.timeline
    }

    /// Returns the one that asks for more. Of two timelines that is the newer one, which holds all that was kept of the
    /// older.
    #[must_use]
    pub fn latest(self, other: Self) -> Self {
        if (other.timeline, other.lsn) > (self.timeline, self.lsn) {
            other
        } else {
            self
        }
    }
}

/// `1/16/B374D848`: the timeline in decimal, then the position as PostgreSQL writes it.
impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{:X}/{:X}",
            self.timeline,
            self.lsn >> 32,
            self.lsn & 0xFFFF_FFFF
        )
    }
}

/// The text is not a position of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position of the log")]
pub struct InvalidLogPosition;

impl FromStr for LogPosition {
    type Err = InvalidLogPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (timeline, lsn) = text.split_once('/')?;
            let (high, low) = lsn.split_once('/')?;
            let lsn = u64::from(digits(high, 16)?) << 32 | u64::from(digits(low, 16)?);
            Some(Self::new(digits(timeline, 10)?, lsn))
        };
        parse().ok_or(InvalidLogPosition)
    }
}

/// `from_str_radix` takes a sign, too.
fn digits(text: &str, radix: u32) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric())
        .then(|| u32::from_str_radix(text, radix).ok())
        .flatten()
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Any node whose lag is within the limit configured.
    #[default]
    Eventual,
    /// A node known to have come as far.
    AtLeast(LogPosition),
    /// Everything that was committed before the read began: the primary.
    Strong,
}

impl Consistency {
    /// Asks for `position` besides what was asked for.
    #[must_use]
    pub fn raised_to(self, position: LogPosition) -> Self {
        match self {
            Self::Eventual => Self::AtLeast(position),
            Self::AtLeast(asked) => Self::AtLeast(asked.latest(position)),
            Self::Strong => Self::Strong,
        }
    }
}

/// What a read is for. It decides between nodes that are fresh enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workload {
    /// Somebody waits for it.
    #[default]
    Interactive,
    /// Reads much, and may take longer: statistics, exports, forecasts. Nodes kept for analytics are preferred.
    Analytics,
}

/// What a read asks of the node that serves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadIntent {
    pub consistency: Consistency,
    pub workload: Workload,
}

impl ReadIntent {
    /// Somebody waits, and takes what any node within the limit of lag has.
    pub const INTERACTIVE: Self = Self {
        consistency: Consistency::Eventual,
        workload: Workload::Interactive,
    };
    /// Much is read, on a node kept for that if there is one.
    pub const ANALYTICS: Self = Self {
        consistency: Consistency::Eventual,
        workload: Workload::Analytics,
    };
    /// Everything that was committed before must be seen.
    pub const STRONG: Self = Self {
        consistency: Consistency::Strong,
        workload: Workload::Interactive,
    };

    /// Asks for `position` besides what was asked for.
    #[must_use]
    pub fn raised_to(self, position: LogPosition) -> Self {
        Self {
            consistency: self.consistency.raised_to(position),
            ..self
        }
    }
}

/// Names a node of the database: `primary`, `replica-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

impl NodeName {
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(timeline: u32, lsn: u64) -> LogPosition {
        LogPosition::new(timeline, lsn)
    }

    #[test]
    fn a_position_reads_back_as_it_is_written() {
        let position = at(1, 0x16_B374_D848);

        assert_eq!(position.to_string(), "1/16/B374D848");
        for position in [position, at(u32::MAX, u64::MAX), at(7, 0)] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
    }

    #[test]
    fn nothing_else_is_a_position() {
        for text in [
            "",
            "1",
            "1/",
            "1/2",
            "1/2/",
            "/1/2",
            "1/2/3/4",
            "1/G/0",
            "x/1/0",
            "-1/0/0",
            "1/+1/0",
            "1/0/123456789",
        ] {
            assert_eq!(text.parse::<LogPosition>(), Err(InvalidLogPosition), "{text}");
        }
    }

    #[test]
    fn positions_compare_within_a_timeline_alone() {
        assert!(at(1, 5).covers(at(1, 5)) && !at(1, 4).covers(at(1, 5)));
        assert!(!at(2, 9).covers(at(1, 5)) && !at(1, 9).covers(at(2, 5)));
        assert!(at(1, 0).covers(LogPosition::UNKNOWN) && LogPosition::UNKNOWN.covers(LogPosition::UNKNOWN));
        assert!(at(2, 9).covers_what_is_left_of(at(1, 50)) && at(2, 9).covers_what_is_left_of(at(2, 9)));
        assert!(!at(1, 9).covers_what_is_left_of(at(2, 5)) && !at(2, 9).covers_what_is_left_of(at(2, 10)));
        assert!(!LogPosition::UNKNOWN.covers_what_is_left_of(at(1, 1)));
        assert_eq!(at(1, 9).latest(at(2, 5)), at(2, 5));
        assert_eq!(at(1, 9).latest(at(1, 5)), at(1, 9));
    }

    #[test]
    fn an_intent_is_raised_and_never_lowered() {
        let raised = ReadIntent::INTERACTIVE.raised_to(at(1, 5));

        assert_eq!(raised.consistency, Consistency::AtLeast(at(1, 5)));
        assert_eq!(raised.raised_to(at(1, 3)), raised);
        assert_eq!(
            raised.raised_to(at(1, 7)).consistency,
            Consistency::AtLeast(at(1, 7))
        );
        assert_eq!(ReadIntent::STRONG.raised_to(at(1, 5)), ReadIntent::STRONG);
    }
}
