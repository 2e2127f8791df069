//! Hands events to a consumer, each once.
//!
//! A transaction has one tenant, so events are handed over tenant by tenant, in order. What the consumer does, and the
//! note that it has, are one transaction: when the process ends in between, neither is there, and the event comes
//! again; when it comes again all the same, the note is there.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fairlead_domain::access::{SystemScope, TenantScope};
use fairlead_domain::events::{Consumer, Event, HandleError};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::{Store, StoreError};
use tokio::time::sleep;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::report::Counts;

/// How often an event is tried before it is put aside.
pub(crate) const ATTEMPTS: u32 = 5;
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(200),
    most: Duration::from_secs(5),
};

#[derive(Debug)]
pub(crate) struct Delivery {
    store: Arc<dyn Store>,
    consumers: Vec<Arc<dyn Consumer>>,
    counts: Arc<Counts>,
}

impl Delivery {
    pub(crate) fn new(store: Arc<dyn Store>, consumers: Vec<Arc<dyn Consumer>>, counts: Arc<Counts>) -> Self {
        Self {
            store,
            consumers,
            counts,
        }
    }

    pub(crate) fn consumers(&self) -> &[Arc<dyn Consumer>] {
        &self.consumers
    }

    /// Sees to it that all of `events` that the consumer wants are handled, or put aside. Fails when the database does:
    /// then some are, and it can be called again.
    pub(crate) async fn deliver(
        &self,
        consumer: &dyn Consumer,
        events: Vec<Event>,
    ) -> Result<(), StoreError> {
        let mut of_tenants: BTreeMap<TenantId, Vec<Event>> = BTreeMap::new();
        for event in events {
            if consumer.wants(&event.event_type) {
                of_tenants.entry(event.tenant).or_default().push(event);
            }
        }
        for events in of_tenants.into_values() {
            match self.attempt(consumer, &events).await {
                Ok(()) => {}
                Err(HandleError::Store(error)) if is_of_database(&error) => return Err(error),
                Err(_) => {
                    for event in events {
                        self.insist(consumer, event).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Hands one event over until it is handled, or puts it aside.
    async fn insist(&self, consumer: &dyn Consumer, event: Event) -> Result<(), StoreError> {
        let mut failures = 0;
        loop {
            let error = match self.attempt(consumer, std::slice::from_ref(&event)).await {
                Ok(()) => return Ok(()),
                Err(HandleError::Store(error)) if is_of_database(&error) => return Err(error),
                Err(error) => error,
            };
            failures += 1;
            if failures >= ATTEMPTS || matches!(error, HandleError::Reject(_)) {
                return self.put_aside(consumer, &event, &error).await;
            }
            sleep(BACKOFF.after(failures)).await;
        }
    }

    /// Hands events of one tenant over, in one transaction. Some may be there twice, where they were published again.
    pub(crate) async fn attempt(&self, consumer: &dyn Consumer, events: &[Event]) -> Result<(), HandleError> {
        let Some(first) = events.first() else {
            return Ok(());
        };
        let mut uow = self.store.begin_behind(&scope(first)).await?;
        let claimed = uow.inbox().claim(consumer.name(), events).await?;
        let mut fresh: HashSet<Uuid> = claimed.into_iter().collect();
        let (handled, known) = (fresh.len(), events.len() - fresh.len());
        if known == 0 {
            consumer.handle(events, &mut *uow).await?;
        } else if handled > 0 {
            // Taken out, so that what is there twice is handed over once.
            let fresh: Vec<Event> = events
                .iter()
                .filter(|event| fresh.remove(&event.id))
                .cloned()
                .collect();
            consumer.handle(&fresh, &mut *uow).await?;
        }
        uow.commit().await?;
        self.counts.note_handled(handled, known);
        Ok(())
    }

    pub(crate) async fn put_aside(
        &self,
        consumer: &dyn Consumer,
        event: &Event,
        error: &HandleError,
    ) -> Result<(), StoreError> {
        let mut fault = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            fault = format!("{fault}: {cause}");
            source = cause.source();
        }
        let mut uow = self.store.begin_behind(&scope(event)).await?;
        uow.inbox().put_aside(consumer.name(), event, &fault).await?;
        uow.commit().await?;
        self.counts.put_aside.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            consumer = consumer.name(),
            event.id = %event.id,
            event.r#type = event.event_type,
            tenant.id = %event.tenant,
            fault,
            "an event was put aside"
        );
        Ok(())
    }
}

/// Whether the database is at fault, and not the event: then it is tried for as long as it takes.
pub(crate) fn is_of_database(error: &StoreError) -> bool {
    match error {
        StoreError::Contended | StoreError::Unavailable(_) | StoreError::TimedOut => true,
        StoreError::Corrupt { .. } | StoreError::Unexpected(_) => false,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an event names its tenant: one of the two places where scopes are made from verified input"
)]
fn scope(event: &Event) -> TenantScope {
    SystemScope::new("to deliver events").tenant(event.tenant)
}
