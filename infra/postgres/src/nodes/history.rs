//! When the primary was where: turns the bytes that a replica is behind into time.
//!
//! PostgreSQL tells when the last transaction that a replica has replayed was committed, but on a quiet primary that
//! grows old without any lag. So the positions of the primary are remembered with the time they were seen at: a replica
//! at one of them has all that was written until then.
//!
//! While nobody sees the primary it may write any amount, so how far replicas are behind is not known: it is not 0.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::consistency::LogPosition;
use fairlead_domain::database::Lag;

/// At ten looks a second, a minute and a half of a primary that writes all the time.
const SAMPLES: usize = 900;

#[derive(Debug, Default)]
pub(super) struct History {
    samples: Mutex<VecDeque<Sample>>,
    /// Whether the last look at the primary was answered.
    in_sight: AtomicBool,
}

/// How far a replica is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    Known(Lag),
    /// The primary is out of sight. When it was seen last, this much was there that the replica does not have by now.
    AtLeast(Lag),
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    position: LogPosition,
    /// When the primary was first seen there.
    since: Instant,
    /// When the primary was last seen there.
    until: Instant,
}

impl Behind {
    /// `None` when it is not known.
    pub(super) fn known(self) -> Option<Lag> {
        match self {
            Self::Known(lag) => Some(lag),
            Self::AtLeast(_) => None,
        }
    }

    /// What is known to be missing.
    pub(super) fn at_least(self) -> Lag {
        match self {
            Self::Known(lag) | Self::AtLeast(lag) => lag,
        }
    }
}

impl History {
    /// Takes note of where the primary was at `now`; returns whether it has come into sight by this.
    pub(super) fn saw(&self, position: LogPosition, now: Instant) -> bool {
        let mut samples = self.samples();
        if samples
            .back()
            .is_some_and(|last| last.position.timeline != position.timeline)
        {
            samples.clear();
        }
        // A primary that lost what had not reached the disk comes back behind.
        while samples
            .back()
            .is_some_and(|last| last.position.lsn > position.lsn)
        {
            samples.pop_back();
        }
        match samples.back_mut() {
            Some(last) if last.position.lsn == position.lsn => last.until = now,
            _ => {
                if samples.len() == SAMPLES {
                    samples.pop_front();
                }
                samples.push_back(Sample {
                    position,
                    since: now,
                    until: now,
                });
            }
        }
        // Under the lock, as it is read.
        !self.in_sight.swap(true, Ordering::AcqRel)
    }

    /// The primary could not be looked at: what it writes from now on nobody knows.
    pub(super) fn lose_sight(&self) {
        self.in_sight.store(false, Ordering::Release);
    }

    /// Where the primary was seen last, and when it was asked.
    pub(super) fn latest(&self) -> Option<(LogPosition, Instant)> {
        self.samples().back().map(|last| (last.position, last.until))
    }

    /// `None` when the primary has not been seen yet, or is on another timeline. A look at it that is older than `sight`
    /// is as good as none: the next one may be on its way for long.
    pub(super) fn behind(&self, replayed: LogPosition, now: Instant, sight: Duration) -> Option<Behind> {
        let samples = self.samples();
        let latest = samples.back()?;
        if latest.position.timeline != replayed.timeline {
            return None;
        }
        let in_sight =
            self.in_sight.load(Ordering::Acquire) && now.saturating_duration_since(latest.until) <= sight;
        Some(if in_sight {
            Behind::Known(missing(&samples, replayed, now))
        } else {
            Behind::AtLeast(missing(&samples, replayed, latest.until))
        })
    }

    fn samples(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much of what the primary had by `now` is not there where a replica has come to.
fn missing(samples: &VecDeque<Sample>, replayed: LogPosition, now: Instant) -> Lag {
    let written = samples.back().map_or(0, |latest| latest.position.lsn);
    let bytes = written.saturating_sub(replayed.lsn);
    let known = samples.partition_point(|sample| sample.position.lsn <= replayed.lsn);
    let left = match known.checked_sub(1) {
        Some(last) => samples.get(last).map(|sample| sample.until),
        // Behind all that is remembered: it was already when that began.
        None => samples.front().map(|sample| sample.since),
    };
    let time = left.map_or(Duration::ZERO, |left| now.saturating_duration_since(left));
    Lag {
        bytes,
        time: if bytes == 0 { Duration::ZERO } else { time },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lsn: u64) -> LogPosition {
        LogPosition::new(1, lsn)
    }

    /// Long enough for the looks of these tests.
    const SIGHT: Duration = Duration::from_secs(5);

    fn known(history: &History, lsn: u64, now: Instant) -> Lag {
        let behind = history.behind(at(lsn), now, SIGHT).unwrap();
        behind.known().unwrap()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_replica_is_behind_since_the_primary_left_its_position() {
        let (history, start) = (History::default(), Instant::now());
        for (second, lsn) in [(0, 100), (1, 200), (5, 200), (6, 300), (7, 400)] {
            history.saw(at(lsn), start + seconds(second));
        }
        let now = start + seconds(8);
        let lag = |lsn| known(&history, lsn, now);

        assert_eq!((lag(400).bytes, lag(400).time), (0, Duration::ZERO));
        assert_eq!((lag(399).bytes, lag(399).time), (1, seconds(2)));
        assert_eq!((lag(250).bytes, lag(250).time), (150, seconds(3)));
        assert_eq!(lag(100).time, seconds(8));
        // Behind all that is remembered.
        assert_eq!((lag(1).bytes, lag(1).time), (399, seconds(8)));
    }

    #[test]
    fn a_replica_that_was_behind_when_nobody_looked_yet_is_behind_at_least_since_then() {
        let (history, start) = (History::default(), Instant::now());
        for second in 0..8 {
            history.saw(at(100), start + seconds(second));
        }

        assert_eq!(known(&history, 99, start + seconds(9)).time, seconds(9));
    }

    #[test]
    fn nothing_is_known_before_the_primary_was_seen_and_across_timelines() {
        let history = History::default();
        let now = Instant::now();
        assert_eq!(history.behind(at(1), now, SIGHT), None);

        history.saw(at(5), now);
        history.saw(LogPosition::new(2, 3), now);

        assert_eq!(history.behind(at(5), now, SIGHT), None);
        let of_this = history.behind(LogPosition::new(2, 3), now, SIGHT).unwrap();
        assert_eq!(of_this.known().unwrap().bytes, 0);
    }

    #[test]
    fn while_the_primary_is_out_of_sight_nobody_knows_how_far_replicas_are_behind() {
        let (history, start) = (History::default(), Instant::now());
        assert!(history.saw(at(100), start), "it comes into sight");
        assert!(!history.saw(at(200), start + seconds(1)));
        let behind = |lsn, second| history.behind(at(lsn), start + seconds(second), SIGHT).unwrap();
        assert_eq!(behind(200, 2).known().unwrap().bytes, 0);

        history.lose_sight();

        assert_eq!(behind(200, 2).known(), None, "it may have gone on");
        assert_eq!(behind(900, 2).known(), None, "also beyond what was seen");
        // That it lacked something when the primary was seen last stays known, and does not grow by itself.
        for second in [2, 60] {
            let missing = Behind::AtLeast(Lag {
                bytes: 50,
                time: seconds(1),
            });
            assert_eq!(behind(150, second), missing);
        }
        assert!(history.saw(at(300), start + seconds(60)), "it is seen again");
        assert_eq!(behind(200, 60).known().unwrap().time, seconds(59));
    }

    #[test]
    fn a_look_that_does_not_come_back_is_no_sight() {
        let (history, start) = (History::default(), Instant::now());
        history.saw(at(100), start);

        let behind = |after| history.behind(at(100), start + after, SIGHT).unwrap();

        assert!(behind(SIGHT).known().is_some());
        assert!(behind(SIGHT + seconds(1)).known().is_none());
    }

    #[test]
    fn memory_is_bounded_and_a_quiet_primary_takes_one_sample() {
        let (history, start) = (History::default(), Instant::now());

        for second in 0..10_000 {
            history.saw(at(1), start + seconds(second));
        }
        assert_eq!(history.samples().len(), 1);
        for lsn in 2..10_000 {
            history.saw(at(lsn), start + seconds(10_000 + lsn));
        }
        assert_eq!(history.samples().len(), SAMPLES);
    }
}
