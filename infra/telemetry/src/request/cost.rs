//! What a request spends its time on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// As many statements of a request are told apart; all others are one, of fingerprint 0.
const MOST: usize = 32;

/// Something that takes time of a request, beside statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Until it is let in, and known whose it is.
    Admission,
    /// Until there is a connection to the database.
    PoolWait,
    /// Commands to the cache that processes share.
    SharedCache,
    /// Calls to services of others.
    Upstream,
    /// What was read is written as JSON, and compressed.
    Serialisation,
}

impl Phase {
    const COUNT: usize = 5;
}

/// Nanoseconds by phase.
#[derive(Debug, Default)]
pub(super) struct Phases([AtomicU64; Phase::COUNT]);

impl Phases {
    pub(super) fn note(&self, phase: Phase, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0[phase as usize].fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn spent_on(&self, phase: Phase) -> Duration {
        Duration::from_nanos(self.0[phase as usize].load(Ordering::Relaxed))
    }
}

/// What a statement has cost a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementWork {
    pub fingerprint: u64,
    pub calls: u32,
    /// Returned or changed.
    pub rows: u64,
    pub time: Duration,
}

/// By statement, in the order in which they came first.
#[derive(Debug, Default)]
pub(super) struct Statements(Vec<StatementWork>);

impl Statements {
    pub(super) fn note(&mut self, fingerprint: u64, time: Duration, rows: u64) {
        let is_known = |work: &StatementWork| work.fingerprint == fingerprint;
        let place = match self.0.iter().position(is_known) {
            Some(place) => place,
            None if self.0.len() < MOST => {
                self.0.push(StatementWork::of(fingerprint));
                self.0.len() - 1
            }
            None => {
                // The last place is that of all others.
                self.0[MOST - 1].fingerprint = 0;
                MOST - 1
            }
        };
        let work = &mut self.0[place];
        work.calls = work.calls.saturating_add(1);
        work.rows = work.rows.saturating_add(rows);
        work.time = work.time.saturating_add(time);
    }

    pub(super) fn all(&self) -> Vec<StatementWork> {
        self.0.clone()
    }
}

impl StatementWork {
    fn of(fingerprint: u64) -> Self {
        Self {
            fingerprint,
            calls: 0,
            rows: 0,
            time: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_different_statements_are_told_apart_up_to_a_limit() {
        let mut statements = Statements::default();
        for fingerprint in 1..=100 {
            statements.note(fingerprint, Duration::from_micros(2), 3);
        }
        statements.note(1, Duration::from_micros(5), 0);

        let all = statements.all();

        assert_eq!(all.len(), MOST);
        assert_eq!(
            (all[0].calls, all[0].rows, all[0].time),
            (2, 3, Duration::from_micros(7))
        );
        let calls: u32 = all.iter().map(|work| work.calls).sum();
        assert_eq!((calls, all[MOST - 1].fingerprint), (101, 0));
    }
}
