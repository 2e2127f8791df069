//! What there is to be judged.

use std::collections::BTreeMap;
use std::time::Duration;

use fairlead_domain::jobs::Queue;
use fairlead_domain::performance::alerts::{Metric, Readings};
use fairlead_domain::performance::{Figures, LatencySketch, Level, Sample, Series, SeriesKind};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;

use crate::performance::capacity::real;
use crate::performance::{foretell, series};
use crate::state::Services;
use crate::units::milliseconds;

/// Of fewer nothing is said: of twenty, one is 5 %.
const FEWEST: u64 = 20;
/// Growth is looked at over an hour, by quarters of it.
const QUARTER: Duration = Duration::from_mins(15);
/// A forecast keeps a processor busy, and says the same an hour later.
const FORECAST_HOLDS: Duration = Duration::from_hours(1);
/// One that could not be made is tried again sooner.
const TRIED_AGAIN: Duration = Duration::from_mins(5);

/// What all processes have written down of late, added up.
#[derive(Debug, Default)]
struct Lately {
    requests: LatencySketch,
    failed: u64,
    statements: LatencySketch,
    levels: BTreeMap<Box<str>, Level>,
    counts: BTreeMap<Box<str>, u64>,
}

impl Lately {
    fn add(&mut self, sample: &Sample) {
        match (&sample.series, &sample.figures) {
            (Series::Route(route), Figures::Times(times)) => {
                self.requests.merge(times);
                if route.class >= 5 {
                    self.failed += times.count();
                }
            }
            (Series::Statements, Figures::Times(times)) => self.statements.merge(times),
            (Series::Gauge(name), Figures::Level(level)) => {
                self.levels.entry(name.clone()).or_default().merge(level);
            }
            (Series::Counter(name), Figures::Count(count)) => {
                *self.counts.entry(name.clone()).or_default() += count;
            }
            _ => {}
        }
    }

    /// Of the process that is worst off, as each has limits of its own.
    fn highest(&self, gauge: &str) -> Option<f64> {
        self.levels.get(gauge).map(|level| level.highest)
    }

    fn count(&self, counter: &str) -> u64 {
        self.counts.get(counter).copied().unwrap_or_default()
    }
}

/// Of fewer than the fewest wholes there is none.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole >= FEWEST).then(|| real(part) / real(whole))
}

fn p95_ms(times: &LatencySketch) -> Option<f64> {
    let p95 = times.quantile(950).filter(|_| times.count() >= FEWEST);
    p95.map(milliseconds)
}

/// Reads what was measured of late, of all processes.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Until when it counts in how many days a limit is reached; `None`, for as long, where that is not known.
    days_left: Option<(OffsetDateTime, Option<f64>)>,
}

impl Reader {
    pub(super) async fn readings(&mut self, services: &Services) -> Result<Readings, StoreError> {
        let mut readings = measured(services).await?;
        if let Some(days) = self.days_left(services).await {
            readings.insert(Metric::CapacityDaysLeft, days);
        }
        Ok(readings)
    }

    /// What is not known of the future silences nobody who tells of now.
    async fn days_left(&mut self, services: &Services) -> Option<f64> {
        let now = services.clock.now();
        if let Some((until, known)) = self.days_left
            && now < until
        {
            return known;
        }
        let (days, holds) = match foretell::days_left(services).await {
            Ok(days) => (days, FORECAST_HOLDS),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "in how many days a limit is reached cannot be foretold");
                (None, TRIED_AGAIN)
            }
        };
        self.days_left = Some((now + holds, days));
        days
    }
}

async fn measured(services: &Services) -> Result<Readings, StoreError> {
    let lately = lately(services).await?;
    let (kept, evicted) = (
        lately.count(series::CACHE_KEPT),
        lately.count(series::CACHE_EVICTED),
    );
    let (asked, hits) = (
        lately.count(series::CACHE_REQUESTS),
        lately.count(series::CACHE_HITS),
    );
    let (depth, wait) = queues(services).await?;
    let measured = [
        (Metric::ResponseP95Ms, p95_ms(&lately.requests)),
        (Metric::ErrorShare, share(lately.failed, lately.requests.count())),
        (Metric::QueryP95Ms, p95_ms(&lately.statements)),
        (Metric::PoolShare, lately.highest(series::POOL_SHARE)),
        (Metric::MemoryShare, lately.highest(series::MEMORY_SHARE)),
        (Metric::MemoryGrowthBytes, growth(services).await?),
        (Metric::CpuShare, lately.highest(series::CPU_SHARE)),
        (Metric::Sockets, lately.highest(series::SOCKETS)),
        (
            Metric::SocketMessagesPerMinute,
            lately.highest(series::MESSAGES_PER_MINUTE),
        ),
        (Metric::CacheHitShare, share(hits, asked)),
        (Metric::CacheEvictionShare, share(evicted, kept)),
        (Metric::QueueDepth, Some(depth)),
        (Metric::QueueWaitSeconds, Some(wait)),
        (Metric::CapacityShare, lately.highest(series::CAPACITY_SHARE)),
        (Metric::BreakersOpen, lately.highest(series::BREAKERS_OPEN)),
    ];
    let known = measured.into_iter();
    Ok(known
        .filter_map(|(metric, value)| Some((metric, value?)))
        .collect())
}

/// Each process has begun one interval within this time that is over and written down, or two.
async fn lately(services: &Services) -> Result<Lately, StoreError> {
    let now = services.clock.now();
    let reach = services.performance.settings.interval * 5 / 2;
    let mut lately = Lately::default();
    let mut each = |sample: &Sample| lately.add(sample);
    let samples = &services.performance.samples;
    samples
        .read(now - reach, now, &SeriesKind::ALL, &mut each)
        .await?;
    Ok(lately)
}

/// The most that wait in a queue, and for how long the oldest has. What an operator has stopped waits because it was
/// asked to.
async fn queues(services: &Services) -> Result<(f64, f64), StoreError> {
    let operations = &services.jobs.operations;
    let queues = operations.figures(&Queue::ALL, Duration::from_mins(1)).await?;
    let running = || queues.iter().filter(|queue| queue.stop.is_none());
    let deepest = running().map(|queue| queue.waiting).max().unwrap_or_default();
    let oldest = running()
        .filter_map(|queue| queue.oldest)
        .max()
        .unwrap_or_default();
    Ok((real(deepest), oldest.as_secs_f64()))
}

/// How many bytes a process has now more than an hour ago, on average over all. Before that hour is over they fill what
/// they are to have, and nothing is said.
async fn growth(services: &Services) -> Result<Option<f64>, StoreError> {
    let since = services.clock.now() - QUARTER * 6;
    let samples = &services.performance.samples;
    let levels = samples.levels(series::RESIDENT_BYTES, since, QUARTER).await?;
    let (Some((first, before)), Some((last, after))) = (levels.first(), levels.last()) else {
        return Ok(None);
    };
    let span = *last - *first;
    if span < time::Duration::HOUR {
        return Ok(None);
    }
    let grown = before
        .mean()
        .zip(after.mean())
        .map(|(before, after)| after - before);
    Ok(grown.map(|grown| grown / span.as_seconds_f64() * 3_600.0))
}
