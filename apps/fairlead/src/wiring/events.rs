//! What is done about events.

use std::sync::Arc;

use fairlead_domain::events::Consumer;
use fairlead_domain::identity::CountUsageByDay;
use fairlead_worker::{CommitSignal, Worker, WorkerParts};

use crate::stores::Stores;

/// Everybody who does something about events.
fn consumers() -> Vec<Arc<dyn Consumer>> {
    vec![Arc::new(CountUsageByDay)]
}

pub(super) fn worker(stores: &Stores, signal: CommitSignal) -> Worker {
    Worker::new(WorkerParts {
        log: stores.system.clone(),
        store: stores.store.clone(),
        consumers: consumers(),
        signal,
    })
}
