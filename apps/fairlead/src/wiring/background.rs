//! What goes on beside the requests.

use std::sync::Arc;
use std::time::Duration;

use fairlead_api::{AlertRounds, Recorder};
use fairlead_auth::KeyRing;
use fairlead_domain::upstreams::BreakerSharing;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::events::Events;
use super::relief::Relieving;
use super::{breakers, memory};
use crate::stores::Stores;

/// Often enough that a key written two minutes before its moment is known everywhere by then.
const RELOAD_KEYS_EVERY: Duration = Duration::from_secs(20);

/// How long a server that stops waits for what it has measured to be written down.
const RECORD_WITHIN: Duration = Duration::from_secs(2);

/// The tasks of one server.
#[derive(Debug)]
pub(super) struct Background {
    tasks: Vec<JoinHandle<()>>,
    recorder: Recorder,
    recording: JoinHandle<()>,
}

impl Background {
    pub(super) fn start(
        stores: &Stores,
        keys: &Arc<KeyRing>,
        events: &Events,
        sharing: Option<BreakerSharing>,
        recorder: Recorder,
        rounds: AlertRounds,
        relieving: Relieving,
    ) -> Self {
        let system = &stores.system;
        let mut tasks = vec![
            system.spawn_refresh(),
            reload_keys(Arc::clone(keys)),
            fairlead_telemetry::spawn(memory::settle()),
        ];
        tasks.extend(events.spawn());
        tasks.extend(sharing.map(breakers::spawn));
        tasks.push(fairlead_telemetry::spawn_supervised("judge-alerts", move || {
            rounds.clone().run()
        }));
        tasks.push(fairlead_telemetry::spawn_supervised("watch-memory", move || {
            relieving.clone().run()
        }));
        let recording = {
            let recorder = recorder.clone();
            fairlead_telemetry::spawn_supervised("record-performance", move || recorder.clone().run())
        };
        Self {
            tasks,
            recorder,
            recording,
        }
    }

    /// Ends all tasks; each may be cut off anywhere, as by a crash. What was measured is written down, if the database
    /// takes it soon.
    pub(super) async fn stop(mut self) {
        self.recorder.close();
        if timeout(RECORD_WITHIN, &mut self.recording).await.is_err() {
            tracing::warn!("what was measured last could not be written down in time; it is lost");
            self.tasks.push(self.recording);
        }
        for task in self.tasks {
            task.abort();
            // It was cut off, or ended before.
            let _ = task.await;
        }
    }
}

/// Keys come and go by other processes: `fairlead keys rotate`, or whoever mounts them.
fn reload_keys(keys: Arc<KeyRing>) -> JoinHandle<()> {
    fairlead_telemetry::spawn_supervised("reload-keys", move || reload_again(Arc::clone(&keys)))
}

async fn reload_again(keys: Arc<KeyRing>) {
    let mut ticks = interval(RELOAD_KEYS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once, and the start has just done the work.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let keys = Arc::clone(&keys);
        let reloaded = fairlead_telemetry::spawn_blocking(move || keys.reload()).await;
        if let Ok(Err(error)) = reloaded {
            let error: &dyn std::error::Error = &error;
            tracing::error!(
                error,
                "the signing keys cannot be read again; those read before stay in use"
            );
        }
    }
}
