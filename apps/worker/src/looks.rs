//! When to look at the log again.

use std::time::{Duration, Instant};

use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::Written;

use crate::backoff::Backoff;

/// Nobody need tell: so often it is looked.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks begin so far apart at least where somebody waits for what they find.
pub(crate) const APART: Duration = Duration::from_millis(10);
/// There are events that may be read as soon as a transaction ends, which nobody tells of. Most end soon.
const HELD: Backoff = Backoff {
    first: Duration::from_millis(10),
    most: LOOK_EVERY,
};
/// It is looked all the same where nothing seems to be written for so long.
const ANYWAY_EVERY: Duration = Duration::from_secs(30);
/// What was seen longer ago is not believed.
const SEEN_WITHIN: Duration = Duration::from_secs(3);

/// How long to rest between two looks at the log, and whether the next one can be spared.
///
/// While nothing is written to the database there are no new events, and where it is written up to is known without
/// asking. That is not enough by itself: what was written before a look may become readable only after it, without
/// anything more being written. So there must have been a moment when no transaction was under way that writes, and a look
/// since then: whatever begins later writes behind that place.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// Looks that found events which could not be read yet.
    held: u32,
    /// Up to where was written before a moment when no transaction was under way that writes.
    quiet: Option<LogPosition>,
    /// While no more than this is written, all was read.
    done: Option<Done>,
}

#[derive(Clone, Copy, Debug)]
struct Done {
    position: LogPosition,
    read: Instant,
}

impl Looks {
    /// Until the next one, after a look that has `found` something or not.
    pub(crate) fn rest(&mut self, is_held: bool, found: bool) -> Duration {
        if !is_held || found {
            self.held = 0;
        }
        if !is_held {
            return LOOK_EVERY;
        }
        self.held = self.held.saturating_add(1);
        HELD.after(self.held)
    }

    /// Takes note of a look that has left nothing behind. `written` was seen before it, and no transaction was under way
    /// after it that writes, if it `is_quiet`.
    pub(crate) fn note_all(&mut self, written: Option<Written>, is_quiet: bool) {
        self.done = self.quiet.map(|position| Done {
            position,
            read: Instant::now(),
        });
        self.quiet = written.filter(|_| is_quiet).map(|written| written.position);
    }

    /// Takes note that there is more, or may be.
    pub(crate) fn note_more(&mut self) {
        (self.quiet, self.done) = (None, None);
    }

    /// When it was seen that there is nothing new; `None`: it must be looked.
    pub(crate) fn nothing_until(&self, written: Option<Written>) -> Option<Instant> {
        let (done, written) = (self.done?, written?);
        let is_known = written.position == done.position
            && written.seen.elapsed() < SEEN_WITHIN
            && done.read.elapsed() < ANYWAY_EVERY;
        is_known.then_some(written.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lsn: u64) -> Written {
        Written {
            position: LogPosition::new(1, lsn),
            seen: Instant::now(),
        }
    }

    #[test]
    fn a_look_is_spared_when_nothing_was_written_since_a_quiet_moment_and_a_look_behind_it() {
        let mut looks = Looks::default();
        assert!(looks.nothing_until(Some(at(7))).is_none());

        looks.note_all(Some(at(7)), true);
        assert!(
            looks.nothing_until(Some(at(7))).is_none(),
            "what was quiet is seen by the next one"
        );
        looks.note_all(Some(at(7)), true);

        assert!(looks.nothing_until(Some(at(7))).is_some());
        assert!(looks.nothing_until(Some(at(8))).is_none());
        assert!(looks.nothing_until(None).is_none());
        let other_timeline = Written {
            position: LogPosition::new(2, 7),
            seen: Instant::now(),
        };
        assert!(looks.nothing_until(Some(other_timeline)).is_none());
    }

    #[test]
    fn no_look_is_spared_behind_one_during_which_others_wrote() {
        let mut looks = Looks::default();

        looks.note_all(Some(at(7)), false);
        looks.note_all(Some(at(7)), false);
        assert!(looks.nothing_until(Some(at(7))).is_none());

        looks.note_all(Some(at(7)), true);
        looks.note_all(Some(at(8)), true);
        assert!(
            looks.nothing_until(Some(at(8))).is_none(),
            "it was written up to 8 after the quiet moment"
        );
        looks.note_all(Some(at(8)), true);
        assert!(looks.nothing_until(Some(at(8))).is_some());
    }

    #[test]
    fn what_was_left_is_looked_at_again() {
        let mut looks = Looks::default();
        looks.note_all(Some(at(7)), true);
        looks.note_all(Some(at(7)), true);

        looks.note_more();

        assert!(looks.nothing_until(Some(at(7))).is_none());
        looks.note_all(Some(at(7)), true);
        assert!(looks.nothing_until(Some(at(7))).is_none());
    }

    #[test]
    fn what_was_seen_long_ago_is_not_believed() {
        let mut looks = Looks::default();
        looks.note_all(Some(at(7)), true);
        looks.note_all(Some(at(7)), true);
        let old = Written {
            seen: Instant::now().checked_sub(SEEN_WITHIN).unwrap(),
            ..at(7)
        };

        assert!(looks.nothing_until(Some(old)).is_none());
    }
}
