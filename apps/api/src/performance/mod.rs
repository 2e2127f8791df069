//! What this process measures, written down interval by interval, for all processes to tell of.

pub(crate) mod alerts;
pub(crate) mod capacity;
pub(crate) mod counted;
mod evidence;
mod figures;
pub(crate) mod foretell;
mod locks;
mod neighbours;
pub(crate) mod readings;
mod recorder;
pub(crate) mod series;
mod vitals;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fairlead_domain::performance::acts::EventMonths;
use fairlead_domain::performance::alerts::Channel;
use fairlead_domain::performance::bottlenecks::Evidence;
use fairlead_domain::performance::catalog::Catalog;
use fairlead_domain::performance::plans::QueryPlans;
use fairlead_domain::performance::vitals::TenantVitals;
use fairlead_domain::performance::{LatencySketch, Samples, TenantLedger};
use time::OffsetDateTime;
use tokio::sync::{Semaphore, watch};

use crate::state::Services;

use alerts::ActiveAlerts;
use counted::Beginning;
use locks::LockWaits;
use neighbours::Neighbours;
use recorder::Look;
use vitals::Vitals;

pub use alerts::AlertRounds;
pub use recorder::Recorder;

/// How many may follow figures as a stream at once: they are operators.
pub(crate) const LIVE_STREAMS: usize = 16;

/// Where measurements go, and what was measured last. All clones share it.
#[derive(Clone, Debug)]
pub struct Performance {
    pub samples: Arc<dyn Samples>,
    pub ledger: Arc<dyn TenantLedger>,
    pub catalog: Arc<dyn Catalog>,
    pub plans: Arc<dyn QueryPlans>,
    pub months: Arc<dyn EventMonths>,
    pub settings: PerformanceSettings,
    /// One at a time: a forecast keeps a processor busy.
    pub(crate) forecasting: Arc<Semaphore>,
    pub(crate) neighbours: Neighbours,
    pub(crate) vitals: Vitals,
    locks: LockWaits,
    /// As they were seen last, for those who ask while the database is away.
    pub(crate) active_alerts: ActiveAlerts,
    /// From when on is shown what was counted.
    pub(crate) beginning: Beginning,
    /// Places for those who follow figures as a stream.
    pub(crate) live_streams: Arc<Semaphore>,
    closed: watch::Sender<bool>,
    lately: Arc<Mutex<Lately>>,
}

/// What the wiring says of it.
#[derive(Clone, Debug)]
pub struct PerformanceSettings {
    /// Whether requests and statements are measured. What tenants take is counted all the same, since plans go by it.
    pub recording: bool,
    /// How often this process writes down what it has measured.
    pub interval: Duration,
    /// How many clients may stay, by WebSocket or stream.
    pub most_clients: u64,
    /// On the disk that is to have room.
    pub data_dir: Arc<Path>,
    /// Where alerts are told, beside the log.
    pub channels: Arc<[Channel]>,
    /// How many of a hundred messages of browsers are taken note of.
    pub web_vitals_percent: u8,
}

/// How writing down has gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lately {
    pub(crate) written_at: Option<OffsetDateTime>,
    /// Since when it fails; what was measured since the last time goes with the next.
    pub(crate) failing_since: Option<OffsetDateTime>,
    /// The last that is over, written down or not.
    pub(crate) interval: Option<Interval>,
    /// What was measured by its beginning and by its end.
    looks: Option<[Arc<Look>; 2]>,
}

/// What was measured within an interval.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    pub(crate) began_at: OffsetDateTime,
    pub(crate) span: Duration,
    pub(crate) requests: LatencySketch,
    /// Answers with a status from 500.
    pub(crate) failed: u64,
    pub(crate) statements: LatencySketch,
    /// Answers that may be kept: how many were asked for, and how many of them were there.
    pub(crate) cache: (u64, u64),
    /// How many processors were busy with this process; `None`: it is not known.
    pub(crate) processors: Option<f64>,
    /// Received and sent.
    pub(crate) bytes_per_second: Option<f64>,
}

impl Performance {
    pub fn new(
        samples: Arc<dyn Samples>,
        ledger: Arc<dyn TenantLedger>,
        catalog: Arc<dyn Catalog>,
        plans: Arc<dyn QueryPlans>,
        vitals: Arc<dyn TenantVitals>,
        months: Arc<dyn EventMonths>,
        settings: PerformanceSettings,
    ) -> Self {
        Self {
            vitals: Vitals::new(vitals, settings.web_vitals_percent),
            samples,
            ledger,
            catalog,
            plans,
            months,
            settings,
            forecasting: Arc::new(Semaphore::new(1)),
            neighbours: Neighbours::default(),
            locks: LockWaits::default(),
            active_alerts: ActiveAlerts::default(),
            beginning: Beginning::default(),
            live_streams: Arc::new(Semaphore::new(LIVE_STREAMS)),
            closed: watch::Sender::new(false),
            lately: Arc::default(),
        }
    }

    /// Ends the streams of figures, which would go on for ever.
    pub fn close_streams(&self) {
        self.closed.send_replace(true);
    }

    /// Turns true when streams of figures are to end.
    pub(crate) fn closed(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    pub(crate) fn lately(&self) -> Lately {
        self.lock().clone()
    }

    /// What held requests up within the last interval; `None`: none is over.
    pub(crate) fn evidence(services: &Services) -> Option<Evidence> {
        let looks = services.performance.lock().looks.clone();
        let [earlier, later] = looks?;
        Some(evidence::between(services, &earlier.measured, &later.measured))
    }

    fn lock(&self) -> MutexGuard<'_, Lately> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
