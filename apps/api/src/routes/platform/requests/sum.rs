use fairlead_domain::performance::{Figures, LatencySketch, Level, Sample, Series};

use super::history::History;
use super::view::ratio;
use crate::performance::series;
use crate::units::milliseconds;

/// What was measured within a time, added up.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sum {
    pub(super) requests: LatencySketch,
    pub(super) failed: u64,
    pub(super) statements: LatencySketch,
    cache_requests: u64,
    cache_hits: u64,
    pub(super) processors: Level,
    pub(super) resident_bytes: Level,
}

impl Sum {
    pub(super) fn of(history: &History<Self>) -> Self {
        let mut whole = Self::default();
        for sum in history.sums() {
            whole.merge(sum);
        }
        whole
    }

    pub(super) fn add(&mut self, sample: &Sample) {
        match (&sample.series, &sample.figures) {
            (Series::Route(route), Figures::Times(times)) => {
                self.requests.merge(times);
                if route.class >= 5 {
                    self.failed += times.count();
                }
            }
            (Series::Statements, Figures::Times(times)) => self.statements.merge(times),
            (Series::Counter(name), Figures::Count(count)) => match &**name {
                series::CACHE_REQUESTS => self.cache_requests += count,
                series::CACHE_HITS => self.cache_hits += count,
                _ => {}
            },
            (Series::Gauge(name), Figures::Level(level)) => match &**name {
                series::PROCESSORS => self.processors.merge(level),
                series::RESIDENT_BYTES => self.resident_bytes.merge(level),
                _ => {}
            },
            _ => {}
        }
    }

    fn merge(&mut self, other: &Self) {
        self.requests.merge(&other.requests);
        self.failed += other.failed;
        self.statements.merge(&other.statements);
        self.cache_requests += other.cache_requests;
        self.cache_hits += other.cache_hits;
        self.processors.merge(&other.processors);
        self.resident_bytes.merge(&other.resident_bytes);
    }

    /// Answers with a status from 500, as a part of all.
    pub(super) fn error_ratio(&self) -> Option<f64> {
        ratio(self.failed, self.requests.count())
    }

    /// Answers that were kept, as a part of those asked for that are.
    pub(super) fn cache_hit_ratio(&self) -> Option<f64> {
        ratio(self.cache_hits, self.cache_requests)
    }

    pub(super) fn p95_ms(&self) -> Option<f64> {
        self.requests.quantile(950).map(milliseconds)
    }
}
