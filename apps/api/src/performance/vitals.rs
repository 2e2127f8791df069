//! What browsers tell of page views, until it is written down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fairlead_domain::identity::TenantId;
use fairlead_domain::performance::LatencySketch;
use fairlead_domain::performance::vitals::{
    Observation, Page, SlowestView, TenantVitals, Vital, VitalMeters,
};
use fairlead_domain::store::StoreError;
use fairlead_telemetry::request::current;
use time::OffsetDateTime;

use crate::state::Services;

/// What browsers have told this process. All clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Vitals {
    meters: Arc<Mutex<VitalMeters>>,
    store: Arc<dyn TenantVitals>,
    percent: u8,
}

impl Vitals {
    pub(super) fn new(store: Arc<dyn TenantVitals>, percent: u8) -> Self {
        Self {
            meters: Arc::default(),
            store,
            percent,
        }
    }

    /// How many of a hundred messages are taken note of.
    pub(crate) fn percent(&self) -> u8 {
        self.percent
    }

    /// Whether the message that is worked on is one of those. Its trace decides, so that all who know it decide alike.
    pub(crate) fn takes_this_one(&self) -> bool {
        let trace = current().map_or(0, |context| context.trace_id().get());
        trace % 100 < u128::from(self.percent)
    }

    /// Takes note of what a browser of a tenant tells; returns of how much. For more there is no room.
    pub(crate) fn note(
        &self,
        services: &Services,
        tenant: TenantId,
        observations: Vec<Observation>,
    ) -> usize {
        let now = services.clock.now();
        let mut meters = self.lock();
        let mut noted = 0;
        for observation in observations {
            let look = |request_id: &str| slowest(services, tenant, request_id);
            noted += usize::from(meters.note(tenant, now, observation, look));
        }
        noted
    }

    /// Writes down what was told since the last time. What cannot be written goes with the next.
    pub(super) async fn write(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let unwritten = self.lock().unwritten();
        if !unwritten.is_empty() {
            self.store.put(&unwritten).await?;
        }
        self.lock().note_written(&unwritten, now);
        Ok(())
    }

    /// Of all tenants, since the start.
    pub(super) fn all(&self) -> BTreeMap<(Vital, Page), LatencySketch> {
        self.lock().all().clone()
    }

    /// How much was told for which there was no room, since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.lock().lost()
    }

    fn lock(&self) -> MutexGuard<'_, VitalMeters> {
        // Sketches may lack one observation if a thread died while it held the lock.
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of a request of this tenant, as far as this process has kept it: clients may make up ids.
fn slowest(services: &Services, tenant: TenantId, request_id: &str) -> Option<SlowestView> {
    let request = services.slow.find_of(tenant, request_id)?;
    Some(SlowestView {
        value: request.took,
        request_id: request_id.into(),
        trace_id: Some(request.trace_id.as_str().into()),
        server_time: Some(request.took),
    })
}
