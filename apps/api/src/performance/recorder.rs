use fairlead_domain::store::StoreError;
use time::OffsetDateTime;
use tokio::time::{MissedTickBehavior, interval};

use super::figures::Taken;
use crate::state::Services;

/// Writes down what this process measures.
#[derive(Clone, Debug)]
pub struct Recorder {
    services: Services,
}

/// What had been measured at a moment.
#[derive(Debug)]
struct Look {
    at: OffsetDateTime,
    taken: Taken,
}

/// How far it is written down.
#[derive(Debug)]
struct Progress {
    /// All up to here.
    before: Look,
    /// What has failed to be written behind that; it may be there nevertheless.
    in_doubt: Option<Look>,
}

impl Recorder {
    pub fn new(services: Services) -> Self {
        Self { services }
    }

    /// Goes on for ever. What was measured since the last interval is lost with the process.
    pub async fn run(self) {
        let mut ticks = interval(self.services.performance.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once.
        ticks.tick().await;
        let mut progress = Progress {
            before: self.look(),
            in_doubt: None,
        };
        loop {
            ticks.tick().await;
            let now = self.look();
            let at = now.at;
            match self.write(&mut progress, now).await {
                Ok(()) => self.note_success(at),
                // What belongs to this interval is written with the next.
                Err(error) => self.note_failure(&error, at),
            }
        }
    }

    fn look(&self) -> Look {
        Look {
            at: self.services.clock.now(),
            taken: Taken::now(&self.services),
        }
    }

    async fn write(&self, progress: &mut Progress, now: Look) -> Result<(), StoreError> {
        let samples = &self.services.performance.samples;
        if progress.in_doubt.is_some() && samples.has(progress.before.at).await? {
            progress.before = progress.in_doubt.take().expect("it was looked at");
        }
        let measured = now.taken.since(&progress.before.taken);
        let written = samples.add(progress.before.at, &measured).await;
        match written {
            Ok(()) => {
                *progress = Progress {
                    before: now,
                    in_doubt: None,
                }
            }
            Err(_) => progress.in_doubt = Some(now),
        }
        written
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
