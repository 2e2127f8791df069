//! What a process does when its memory runs out.

use std::sync::Arc;
use std::time::Duration;

use fairlead_api::{MemoryKeeper, Release, ReleasedMemory, Services};
use fairlead_domain::Id;
use fairlead_domain::access::SystemScope;
use fairlead_domain::performance::acts::{self, Act, ActState, Deed, Figures, Relief};
use fairlead_domain::store::{StoreError, SystemStore};
use fairlead_telemetry::process;
use tokio::time::{Instant, sleep};

use crate::config::{Config, MemoryConfig};

/// What was given back comes again if it is needed. To give it back more often would serve nobody.
const NOT_AGAIN_WITHIN: Duration = Duration::from_mins(1);

const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// To give back a smaller part of the limit is no help.
const HELPS: u64 = 50;

/// What was done last, and for how long it is not done again.
#[derive(Clone, Copy, Debug)]
struct Last {
    relief: Relief,
    at: Instant,
    pause: Duration,
}

/// Looks on.
#[derive(Clone, Debug)]
pub(super) struct Relieving {
    memory: Arc<dyn MemoryKeeper>,
    store: Arc<dyn SystemStore>,
    process: String,
    config: MemoryConfig,
}

impl Relieving {
    /// `process` is how others know it.
    pub(super) fn new(services: &Services, config: &Config, process: String) -> Self {
        Self {
            memory: Arc::clone(&services.memory),
            store: Arc::clone(&services.system),
            process,
            config: config.performance.memory.clone(),
        }
    }

    /// Runs until it is dropped.
    pub(super) async fn run(self) {
        let mut last: Option<Last> = None;
        loop {
            sleep(self.config.check).await;
            let limit = self.limit();
            let resident = process::usage().resident_bytes;
            let Some(relief) = resident.and_then(|resident| Relief::due(resident, limit)) else {
                last = None;
                continue;
            };
            if last.is_some_and(|last| last.relief >= relief && last.at.elapsed() < last.pause) {
                continue;
            }
            let pause = if self.relieve(relief, limit).await {
                NOT_AGAIN_WITHIN
            } else {
                // It is not what can be given back that takes the memory.
                let before = last.map_or(NOT_AGAIN_WITHIN, |last| last.pause * 2);
                before.min(LONGEST_PAUSE)
            };
            let at = Instant::now();
            last = Some(Last { relief, at, pause });
        }
    }

    /// The least of what the configuration, the container and the machine allow.
    fn limit(&self) -> u64 {
        let configured = self.config.limit_mib << 20;
        process::memory().map_or(configured, |memory| configured.min(memory.total_bytes))
    }

    /// Returns whether that has helped.
    async fn relieve(&self, relief: Relief, limit_bytes: u64) -> bool {
        if !self.config.relieve {
            tracing::warn!(
                relief = relief.as_str(),
                limit_bytes,
                "memory runs out; with performance.memory.relieve something would be given back"
            );
            return false;
        }
        let what = match relief {
            Relief::Caches => Release::Caches,
            Relief::Connections => Release::Connections,
            Relief::Emergency => Release::Everything,
        };
        let released = self.memory.release(what).await;
        tracing::warn!(
            relief = relief.as_str(),
            limit_bytes,
            resident_before_bytes = released.resident_before_bytes,
            resident_after_bytes = released.resident_after_bytes,
            "memory ran out, and something was given back"
        );
        if let Err(error) = self.note(relief, limit_bytes, &released).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "what was given back could not be written into the ledger");
        }
        let given_back = released.resident_before_bytes.zip(released.resident_after_bytes);
        given_back.is_some_and(|(before, after)| before.saturating_sub(after) >= limit_bytes / HELPS)
    }

    #[expect(clippy::disallowed_methods, reason = "the memory of a process is no tenant's")]
    async fn note(
        &self,
        relief: Relief,
        limit_bytes: u64,
        released: &ReleasedMemory,
    ) -> Result<(), StoreError> {
        let mut uow = self.store.begin(&SystemScope::new("memory")).await?;
        let now = uow.now();
        let deed = Deed::ReleaseMemory {
            process: self.process.clone(),
            relief,
        };
        let why = format!("its memory runs out: {}", relief.as_str());
        let mut act = Act::new(Id::from_uuid(uow.next_id()), deed, why, self.process.clone(), now);
        act.begun_at = Some(now);
        act.before = figures([
            ("residentBytes", released.resident_before_bytes),
            ("limitBytes", Some(limit_bytes)),
        ]);
        act.after = figures([
            ("residentBytes", released.resident_after_bytes),
            ("droppedAnswers", released.dropped_answers),
            ("closedConnections", Some(released.closed_connections)),
        ]);
        act.end(ActState::Done, "what is needed comes back by and by", now);
        acts::note(&mut *uow, &act).await?;
        uow.commit().await.map(drop)
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a process are fewer than 2⁵³")]
fn figures<const N: usize>(known: [(&str, Option<u64>); N]) -> Figures {
    let known = known.into_iter();
    known
        .filter_map(|(name, figure)| Some((name.to_owned(), figure? as f64)))
        .collect()
}
