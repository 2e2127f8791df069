//! What happens behind a miss.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fairlead_domain::cache::{Entry, Found, Freshness, LoadFailure, Loaded, Loader, Source, Tag};
use fairlead_telemetry::spawn;

use crate::cache::{Inner, jittered};
use crate::flights::Flight;
use crate::memory::{Held, Life, NewHeld};
use crate::meters::{Operation, Outcome};

/// Starts a load that goes on when those who wait for it give up.
pub(crate) fn start(inner: Arc<Inner>, flight: Arc<Flight>, tags: Box<[Tag]>, loader: Arc<dyn Loader>) {
    // However it ends, those who wait are told, and the next one may take off.
    let listed = Listed { inner, flight };
    spawn(async move {
        let Listed { inner, flight } = &listed;
        let landing = load(inner, flight, &tags, &*loader).await;
        flight.land(landing);
    });
}

/// A flight on the list; dropping it takes it off.
struct Listed {
    inner: Arc<Inner>,
    flight: Arc<Flight>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.inner.flights.remove(&self.flight);
        self.flight.give_up();
    }
}

async fn load(
    inner: &Inner,
    flight: &Flight,
    _tags: &[Tag],
    loader: &dyn Loader,
) -> Result<Found, LoadFailure> {
    let epoch = inner.epoch();
    let consistency = inner.required(flight.consistency, &flight.snapshot);
    let began = Instant::now();
    let answer = loader.load(consistency).await;
    let cost = began.elapsed();
    inner.meters.note_time(Operation::Load, cost);
    inner.note_database(&answer);
    let answer = answer?;
    inner.note_seen(answer.as_of);
    inner.note(flight.key.tenant, flight.key.key.namespace(), Outcome::Loaded);
    let entry = keep(inner, flight, answer, epoch, cost);
    Ok(fresh(entry))
}

/// Keeps what was loaded, unless something it depends on changed meanwhile.
fn keep(inner: &Inner, flight: &Flight, loaded: Loaded, epoch: u64, cost: Duration) -> Arc<Entry> {
    let entry = Arc::new(Entry::new(loaded));
    if !inner.generations.holds(&flight.snapshot) {
        inner.meters.refused_fills.fetch_add(1, Ordering::Relaxed);
        return entry;
    }
    let policy = inner.policy(flight.key.key.namespace());
    let held = NewHeld {
        entry: Arc::clone(&entry),
        namespace: flight.key.key.namespace(),
        key_bytes: flight.key.key.variant().len(),
        snapshot: flight.snapshot.clone(),
        proof: None,
        epoch,
        life: Life {
            loaded_at: Instant::now(),
            fresh: jittered(policy.ttl),
            stale: policy.stale,
            outage: inner.settings.outage.database_away,
        },
        cost,
        account: inner.memory.account(flight.key.tenant),
    };
    inner.memory.insert(flight.key.clone(), Held::from(held));
    entry
}

pub(crate) fn fresh(entry: Arc<Entry>) -> Found {
    Found {
        entry,
        source: Source::Loader,
        freshness: Freshness::Fresh,
        age: Duration::ZERO,
    }
}
