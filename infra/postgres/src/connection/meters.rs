//! What each statement has cost this process.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fairlead_domain::performance::{Fingerprint, LatencySketch, STATEMENT_BOUNDS_MS, StatementReport};
use fairlead_telemetry::turn_of_this_thread;
use xxhash_rust::xxh3::xxh3_64;

/// Threads rarely meet at one lock.
const SHARDS: usize = 16;
/// As many statements are told apart by a thread; all others are one. There are about 300 in the program.
const MOST: usize = 400;

/// Counts statements by their text. All clones count together.
#[derive(Clone, Default)]
pub(crate) struct PgStatementMeters(Arc<Meters>);

#[derive(Default)]
struct Meters {
    shards: [Mutex<Shard>; SHARDS],
    /// Whether nobody wants to know.
    is_off: AtomicBool,
}

type Shard = HashMap<Fingerprint, Meter, BuildHasherDefault<AsItIs>>;

#[derive(Default)]
struct Meter {
    text: Box<str>,
    times: LatencySketch,
    counts: [u64; STATEMENT_BOUNDS_MS.len() + 1],
    failed: u64,
    rows: u64,
}

/// What there is to count of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran {
    pub(super) took: Duration,
    pub(super) rows: u64,
    pub(super) has_failed: bool,
}

pub(super) fn fingerprint(text: &str) -> Fingerprint {
    Fingerprint::new(xxh3_64(text.as_bytes()))
}

impl PgStatementMeters {
    pub(super) fn note(&self, fingerprint: Fingerprint, text: &str, ran: Ran) {
        // Set once, before the first request: nothing is ordered by it.
        if self.0.is_off.load(Ordering::Relaxed) {
            return;
        }
        let mut shard = lock(&self.0.shards[turn_of_this_thread() % SHARDS]);
        if let Some(meter) = shard.get_mut(&fingerprint) {
            meter.note(ran);
            return;
        }
        let is_own = shard.len() < MOST;
        let (key, text) = if is_own {
            (fingerprint, text)
        } else {
            (Fingerprint::OTHERS, "")
        };
        let meter = shard.entry(key).or_insert_with(|| Meter {
            text: text.into(),
            ..Meter::default()
        });
        meter.note(ran);
    }

    /// Counts nothing from now on, and forgets what it has.
    pub(crate) fn switch_off(&self) {
        self.0.is_off.store(true, Ordering::Relaxed);
        for shard in &self.0.shards {
            lock(shard).clear();
        }
    }

    /// What a statement says; `None` of one that is not told apart.
    pub(crate) fn text(&self, fingerprint: Fingerprint) -> Option<Box<str>> {
        let mut shards = self.0.shards.iter();
        shards.find_map(|shard| Some(lock(shard).get(&fingerprint)?.text.clone()))
    }

    /// Those that took most time come first.
    pub(crate) fn report(&self) -> Vec<StatementReport> {
        let mut all: HashMap<Fingerprint, StatementReport> = HashMap::new();
        for shard in &self.0.shards {
            for (fingerprint, meter) in &*lock(shard) {
                let report = all.entry(*fingerprint).or_insert_with(|| StatementReport {
                    fingerprint: *fingerprint,
                    text: meter.text.clone(),
                    times: LatencySketch::default(),
                    counts: [0; STATEMENT_BOUNDS_MS.len() + 1],
                    failed: 0,
                    rows: 0,
                });
                report.times.merge(&meter.times);
                for (count, more) in report.counts.iter_mut().zip(meter.counts) {
                    *count += more;
                }
                report.failed += meter.failed;
                report.rows += meter.rows;
            }
        }
        let mut all: Vec<_> = all.into_values().collect();
        all.sort_by_key(|report| (std::cmp::Reverse(report.times.sum()), report.fingerprint));
        all
    }
}

impl Meter {
    fn note(&mut self, ran: Ran) {
        self.times.note(ran.took);
        let bucket = STATEMENT_BOUNDS_MS.partition_point(|&bound| Duration::from_millis(bound) < ran.took);
        self.counts[bucket] += 1;
        self.failed += u64::from(ran.has_failed);
        self.rows += ran.rows;
    }
}

impl fmt::Debug for PgStatementMeters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgStatementMeters").finish_non_exhaustive()
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fingerprint is a hash already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(micros: u64) -> Ran {
        Ran {
            took: Duration::from_micros(micros),
            rows: 2,
            has_failed: micros > 100,
        }
    }

    #[test]
    fn statements_are_counted_by_text_whichever_thread_sends_them() {
        let meters = PgStatementMeters::default();
        let elsewhere = meters.clone();
        let note = |meters: &PgStatementMeters, text: &str, micros| {
            meters.note(fingerprint(text), text, ran(micros));
        };
        note(&meters, "SELECT 1", 10);
        note(&meters, "SELECT 2", 1_000);
        let thread = std::thread::spawn(move || elsewhere.note(fingerprint("SELECT 1"), "SELECT 1", ran(20)));
        thread.join().unwrap();

        let report = meters.report();

        let told: Vec<_> = report
            .iter()
            .map(|report| (&*report.text, report.times.count(), report.failed, report.rows))
            .collect();
        assert_eq!(told, [("SELECT 2", 1, 1, 2), ("SELECT 1", 2, 0, 4)]);
    }

    #[test]
    fn memory_does_not_grow_with_texts_that_are_made_up() {
        let meters = PgStatementMeters::default();
        for number in 0..MOST + 50 {
            let text = format!("SELECT {number}");
            meters.note(fingerprint(&text), &text, ran(1));
        }

        let report = meters.report();

        assert_eq!(report.len(), MOST + 1);
        let others = report
            .iter()
            .find(|report| report.fingerprint == Fingerprint::OTHERS)
            .unwrap();
        assert_eq!((others.times.count(), &*others.text), (50, ""));
    }
}
