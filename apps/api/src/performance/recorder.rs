use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use fairlead_domain::identity::TenantId;
use fairlead_domain::jobs::JobsMonitor;
use fairlead_domain::performance::alerts::Counts;
use fairlead_domain::performance::{LatencySketch, Series, Taken};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::Interval;
use super::figures::Measured;
use super::locks::LOOK_EVERY;
use super::series;
use crate::state::Services;

/// Writes down what this process measures. All clones are one.
#[derive(Clone, Debug)]
pub struct Recorder {
    services: Services,
    jobs: Arc<dyn JobsMonitor>,
    closed: watch::Sender<bool>,
}

/// What had been measured at a moment.
#[derive(Debug)]
pub(super) struct Look {
    at: OffsetDateTime,
    pub(super) measured: Measured,
}

/// Why there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    ByInterval,
    ByClose,
    /// Who waits for locks.
    ToLook,
}

/// How far it is written down.
#[derive(Debug)]
struct Progress {
    /// All up to here.
    before: Arc<Look>,
    /// What is added up behind that.
    owed: Owed,
    /// What has failed to be written behind that; it may be there nevertheless.
    in_doubt: Option<(Arc<Look>, Owed)>,
    /// When it was last looked who stays.
    looked: Instant,
}

/// What is added to what all processes know.
#[derive(Debug, Default)]
struct Owed {
    /// What tenants have taken,
    taken: HashMap<TenantId, Taken>,
    /// and what became of requests, by when it did.
    counts: Counts,
}

impl Recorder {
    pub fn new(services: Services, jobs: Arc<dyn JobsMonitor>) -> Self {
        Self {
            services,
            jobs,
            closed: watch::Sender::new(false),
        }
    }

    /// Has what was measured so far written down, and [`run`](Self::run) end behind that.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Goes on until it is closed. What was measured since the last interval is lost with a process that dies.
    pub async fn run(self) {
        let mut closed = self.closed.subscribe();
        let mut ticks = interval(self.services.performance.settings.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once.
        ticks.tick().await;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.look();
        self.learn_used_up(last.at).await;
        self.learn_plans().await;
        let mut progress = Progress {
            before: Arc::clone(&last),
            owed: Owed::default(),
            in_doubt: None,
            looked: Instant::now(),
        };
        loop {
            // What `wait_for` returns must not be held while anything else is waited for.
            let woken = tokio::select! {
                _ = ticks.tick() => Woken::ByInterval,
                // The sender is here, too.
                _ = closed.wait_for(|closed| *closed) => Woken::ByClose,
                _ = looks.tick(), if self.services.performance.settings.recording => Woken::ToLook,
            };
            if woken == Woken::ToLook {
                self.services.performance.locks.look(&self.services).await;
                continue;
            }
            let is_last = woken == Woken::ByClose;
            let now = self.look();
            let at = now.at;
            self.note_interval(&last, &now);
            let measured = now.measured.since(&last.measured);
            progress.owed.counts.note(last.at, &measured);
            last = Arc::clone(&now);
            self.add_taken(&mut progress);
            match self.write(&mut progress, now).await {
                Ok(()) => self.note_success(at),
                // What belongs to this interval is written with the next.
                Err(error) => self.note_failure(&error, at),
            }
            self.write_vitals(at).await;
            if is_last {
                return;
            }
            self.learn_used_up(at).await;
            self.learn_plans().await;
        }
    }

    /// What all processes have written down says who has used up its calls. Where it cannot be asked, who was known stays.
    async fn learn_used_up(&self, at: OffsetDateTime) {
        match self.services.billing.directory.calls_used_up(at).await {
            Ok(used_up) => self.services.plan_calls.put(used_up),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "it cannot be read who has used up the calls of its plan");
            }
        }
    }

    /// Reads which plans say how often tenants may ask. Where they cannot be read, those that were known stay.
    async fn learn_plans(&self) {
        let limits = self.services.rate_limits.as_ref();
        let Some(plans) = limits.and_then(|limits| limits.plans.as_ref()) else {
            return;
        };
        match self.services.billing.directory.paid_plans().await {
            Ok(paid) => plans.put(paid),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "it cannot be read which plans tenants have");
            }
        }
    }

    fn note_interval(&self, before: &Arc<Look>, now: &Arc<Look>) {
        let interval = now.since(before);
        let routes = self.services.tenant_meters.take_routes();
        let performance = &self.services.performance;
        performance
            .neighbours
            .push(interval.began_at, interval.span, routes);
        let mut lately = self.services.performance.lock();
        lately.interval = Some(interval);
        lately.looks = Some([Arc::clone(before), Arc::clone(now)]);
    }

    fn look(&self) -> Arc<Look> {
        Arc::new(Look {
            at: self.services.clock.now(),
            measured: Measured::now(&self.services),
        })
    }

    fn add_taken(&self, progress: &mut Progress) {
        let now = Instant::now();
        let span = now.saturating_duration_since(progress.looked);
        progress.looked = now;
        let owed = &mut progress.owed.taken;
        add_all(owed, self.services.tenant_meters.take());
        for (tenant, time) in self.jobs.take_time_by_tenant() {
            owed.entry(tenant).or_default().job_time += time;
        }
        for of in self.services.connections.by_tenant() {
            let clients = u32::try_from(of.sockets + of.streams).unwrap_or(u32::MAX);
            let stay = span.saturating_mul(clients);
            owed.entry(of.tenant).or_default().stay_time += stay;
        }
    }

    async fn write(&self, progress: &mut Progress, now: Arc<Look>) -> Result<(), StoreError> {
        let samples = &self.services.performance.samples;
        if progress.in_doubt.is_some() {
            let is_there = samples.has(progress.before.at).await?;
            match progress.in_doubt.take() {
                Some((look, _)) if is_there => progress.before = look,
                Some((_, owed)) => progress.owed.add(owed),
                None => {}
            }
        }
        let mut measured = now.measured.since(&progress.before.measured);
        if !self.services.performance.settings.recording {
            // One line is written all the same: by it an interval is known whose commit had no answer. Without it what tenants
            // have taken would be counted again.
            measured
                .retain(|(series, _)| matches!(series, Series::Gauge(name) if **name == *series::CLIENTS));
        }
        let owed = mem::take(&mut progress.owed);
        let taken: Vec<_> = owed
            .taken
            .iter()
            .map(|(tenant, taken)| (*tenant, *taken))
            .collect();
        let written = samples
            .add(progress.before.at, &measured, &owed.counts, &taken)
            .await;
        match written {
            Ok(()) => progress.before = now,
            Err(_) => progress.in_doubt = Some((now, owed)),
        }
        written
    }

    /// What browsers have told stands by itself: what cannot be written stays, and is written whole the next time.
    async fn write_vitals(&self, at: OffsetDateTime) {
        if let Err(error) = self.services.performance.vitals.write(at).await {
            let error: &dyn std::error::Error = &error;
            tracing::debug!(
                error,
                "what browsers have told cannot be written down; it is kept for the next interval"
            );
        }
    }

    fn note_success(&self, at: OffsetDateTime) {
        let mut lately = self.services.performance.lock();
        lately.written_at = Some(at);
        lately.failing_since = None;
    }

    fn note_failure(&self, error: &StoreError, at: OffsetDateTime) {
        let mut lately = self.services.performance.lock();
        if lately.failing_since.is_none() {
            lately.failing_since = Some(at);
            drop(lately);
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "what was measured cannot be written down; it is kept for the next interval"
            );
        }
    }
}

impl Owed {
    fn add(&mut self, more: Self) {
        add_all(&mut self.taken, more.taken);
        self.counts.merge(more.counts);
    }
}

impl Look {
    fn since(&self, before: &Self) -> Interval {
        let (earlier, nothing) = (&before.measured, LatencySketch::default());
        let (mut requests, mut failed) = (LatencySketch::default(), 0);
        for (series, times) in &self.measured.routes {
            let since = times.since(earlier.routes.get(series).unwrap_or(&nothing));
            requests.merge(&since);
            if series.class >= 5 {
                failed += since.count();
            }
        }
        Interval {
            began_at: before.at,
            span: self.measured.at.saturating_duration_since(earlier.at),
            requests,
            failed,
            statements: self.measured.statements.since(&earlier.statements),
            cache: self.measured.cached_since(earlier),
            processors: self.measured.processors_since(earlier),
            bytes_per_second: self.measured.bytes_per_second_since(earlier),
        }
    }
}

fn add_all(all: &mut HashMap<TenantId, Taken>, more: HashMap<TenantId, Taken>) {
    for (tenant, taken) in more {
        all.entry(tenant).or_default().add(&taken);
    }
}
