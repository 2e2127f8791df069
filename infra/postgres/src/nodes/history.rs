//! When the primary was where: turns the bytes that a replica is behind into time.
//!
//! PostgreSQL tells when the last transaction that a replica has replayed was committed, but on a quiet primary that
//! grows old without any lag. So the positions of the primary are remembered with the time they were seen at: a replica
//! at one of them has all that was written until then.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::consistency::LogPosition;
use fairlead_domain::database::Lag;

/// At ten looks a second, a minute and a half of a primary that writes all the time.
const SAMPLES: usize = 900;

#[derive(Debug, Default)]
pub(super) struct History(Mutex<VecDeque<Sample>>);

#[derive(Clone, Copy, Debug)]
struct Sample {
    position: LogPosition,
    /// When the primary was first seen there.
    since: Instant,
    /// When the primary was last seen there.
    until: Instant,
}

impl History {
    pub(super) fn saw(&self, position: LogPosition, now: Instant) {
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
    }

    /// Where the primary was seen last, and when it was asked.
    pub(super) fn latest(&self) -> Option<(LogPosition, Instant)> {
        self.samples().back().map(|last| (last.position, last.until))
    }

    /// `None` when the primary has not been seen yet, or is on another timeline.
    pub(super) fn lag(&self, replayed: LogPosition, now: Instant) -> Option<Lag> {
        let samples = self.samples();
        let latest = samples.back()?;
        if latest.position.timeline != replayed.timeline {
            return None;
        }
        let bytes = latest.position.lsn.saturating_sub(replayed.lsn);
        if bytes == 0 {
            return Some(Lag {
                bytes,
                time: Duration::ZERO,
            });
        }
        let behind = samples.partition_point(|sample| sample.position.lsn <= replayed.lsn);
        let left = match behind.checked_sub(1) {
            Some(last) => samples[last].until,
            // Behind all that is remembered: it was already when that began.
            None => samples.front()?.since,
        };
        Some(Lag {
            bytes,
            time: now.saturating_duration_since(left),
        })
    }

    fn samples(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lsn: u64) -> LogPosition {
        LogPosition::new(1, lsn)
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
        let lag = |lsn| history.lag(at(lsn), now).unwrap();

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

        assert_eq!(history.lag(at(99), start + seconds(9)).unwrap().time, seconds(9));
    }

    #[test]
    fn nothing_is_known_before_the_primary_was_seen_and_across_timelines() {
        let history = History::default();
        let now = Instant::now();
        assert_eq!(history.lag(at(1), now), None);

        history.saw(at(5), now);
        history.saw(LogPosition::new(2, 3), now);

        assert_eq!(history.lag(at(5), now), None);
        assert_eq!(history.lag(LogPosition::new(2, 3), now).unwrap().bytes, 0);
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
