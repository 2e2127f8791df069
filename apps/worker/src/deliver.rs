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
use fairlead_domain::events::{Consumer, Event, EventCursor, HandleError};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::{Store, StoreError};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::put_aside::handle;
use crate::report::Counts;
use crate::{fault, put_aside};

/// How often an event is tried alone before it is put aside.
const ATTEMPTS: u32 = 5;
/// For how long it is tried while the database takes too long.
const SLOW_DATABASE: Duration = Duration::from_mins(10);
const TENANTS_AT_ONCE: usize = 4;
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(200),
    most: Duration::from_secs(5),
};

/// When an event that fails is put aside.
#[derive(Clone, Copy, Debug)]
pub(crate) enum GivingUp {
    /// When it has failed several times.
    AfterAttempts,
    /// The same, if it is from before a moment. What is younger the broker may still bring: it is tried once.
    IfBefore(OffsetDateTime),
}

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

    /// Has `consumer` handle all of `events` that it wants, or puts them aside. Returns the first that is left undone,
    /// as `giving_up` says. Fails when the database is away: then some are handled, and it can be called again.
    pub(crate) async fn deliver(
        &self,
        consumer: &dyn Consumer,
        events: Vec<Event>,
        giving_up: GivingUp,
    ) -> Result<Option<EventCursor>, StoreError> {
        let mut of_tenants: BTreeMap<TenantId, Vec<Event>> = BTreeMap::new();
        for event in events {
            if consumer.wants(&event.event_type) {
                of_tenants.entry(event.tenant).or_default().push(event);
            }
        }
        let concerned = consumer.concerned(of_tenants.keys().copied().collect()).await?;
        of_tenants.retain(|tenant, _| concerned.contains(tenant));
        // Of one tenant in order; the trouble of one does not hold up the others.
        let delivering = of_tenants
            .into_values()
            .map(|events| self.deliver_of_tenant(consumer, events, giving_up));
        let undone: Vec<Option<EventCursor>> = stream::iter(delivering)
            .buffer_unordered(TENANTS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(undone.into_iter().flatten().min())
    }

    async fn deliver_of_tenant(
        &self,
        consumer: &dyn Consumer,
        events: Vec<Event>,
        giving_up: GivingUp,
    ) -> Result<Option<EventCursor>, StoreError> {
        match self.attempt(consumer, &events).await {
            Ok(()) => return Ok(None),
            Err(HandleError::Store(error)) if is_away(&error) => return Err(error),
            Err(_) => {}
        }
        let mut undone = None;
        for event in events {
            let is_others = match giving_up {
                GivingUp::AfterAttempts => false,
                GivingUp::IfBefore(moment) => event.occurred_at >= moment,
            };
            if !is_others {
                self.insist(consumer, &event).await?;
            } else if !self.try_once(consumer, &event).await? {
                undone.get_or_insert(event.cursor);
            }
        }
        Ok(undone)
    }

    /// Hands one event over until it is handled, or puts it aside.
    async fn insist(&self, consumer: &dyn Consumer, event: &Event) -> Result<(), StoreError> {
        let started = Instant::now();
        let mut failures = 0;
        loop {
            let error = match self.attempt(consumer, std::slice::from_ref(event)).await {
                Ok(()) => return Ok(()),
                Err(HandleError::Store(error)) if is_away(&error) => return Err(error),
                Err(error) => error,
            };
            failures += 1;
            let is_over = match &error {
                HandleError::Reject(_) => true,
                // As likely as not it is the database that is slow, and not the event that is at fault.
                HandleError::Store(
                    StoreError::Contended
                    | StoreError::Interrupted(_)
                    | StoreError::TimedOut
                    | StoreError::InDoubt(_),
                ) => started.elapsed() >= SLOW_DATABASE,
                HandleError::Store(_) | HandleError::Retry(_) => failures >= ATTEMPTS,
            };
            if is_over {
                self.put_aside(consumer, event, &error).await?;
                return Ok(());
            }
            sleep(BACKOFF.after(failures)).await;
        }
    }

    /// Hands one event over that somebody else may try again. Returns whether it is done with.
    async fn try_once(&self, consumer: &dyn Consumer, event: &Event) -> Result<bool, StoreError> {
        match self.attempt(consumer, std::slice::from_ref(event)).await {
            Ok(()) => Ok(true),
            Err(HandleError::Store(error)) if is_away(&error) => Err(error),
            Err(error @ HandleError::Reject(_)) => {
                self.put_aside(consumer, event, &error).await?;
                Ok(true)
            }
            Err(_) => Ok(false),
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
            handle(consumer, events, &mut *uow).await?;
        } else if handled > 0 {
            // Taken out, so that what is there twice is handed over once.
            let fresh: Vec<Event> = events
                .iter()
                .filter(|event| fresh.remove(&event.id))
                .cloned()
                .collect();
            handle(consumer, &fresh, &mut *uow).await?;
        }
        uow.commit().await?;
        self.counts.note_handled(handled, known);
        Ok(())
    }

    /// Returns whether it was: somebody else may have handled it meanwhile.
    pub(crate) async fn put_aside(
        &self,
        consumer: &dyn Consumer,
        event: &Event,
        error: &HandleError,
    ) -> Result<bool, StoreError> {
        let fault = fault::told(error);
        let mut uow = self.store.begin_behind(&scope(event)).await?;
        if !uow.inbox().put_aside(consumer.name(), event, &fault).await? {
            return Ok(false);
        }
        uow.jobs().enqueue(put_aside::job(consumer.name(), event)).await?;
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
        Ok(true)
    }
}

/// Whether no event can be handled: then it is tried for as long as it takes.
pub(crate) fn is_away(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(_) | StoreError::Exhausted(_) => true,
        StoreError::InDoubt(error) => is_away(error),
        StoreError::Contended
        | StoreError::Interrupted(_)
        | StoreError::TimedOut
        | StoreError::Corrupt { .. }
        | StoreError::OverPlan(_)
        | StoreError::Unexpected(_) => false,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an event names its tenant: one of the two places where scopes are made from verified input"
)]
fn scope(event: &Event) -> TenantScope {
    SystemScope::new("to deliver events").tenant(event.tenant)
}
