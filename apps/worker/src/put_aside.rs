//! Events that were put aside, handled after all: each by a job, which was enqueued when it was put aside. So it is
//! tried again by itself, and where that does not help it is a dead letter, which operators see, and retry when the
//! cause is mended.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fairlead_domain::access::{SystemScope, TenantScope};
use fairlead_domain::events::{Consumer, Event, HANDLE_EVENT, HandleError, handle_event_key};
use fairlead_domain::identity::TenantId;
use fairlead_domain::jobs::{Done, Job, JobError, JobHandler, NewJob, Queue};
use fairlead_domain::store::{Store, UnitOfWork};
use fairlead_telemetry::spans::{self, KeyValue, SpanBuilder, SpanKind, Status};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;
use tracing::field::{self, Empty};
use uuid::Uuid;

/// Of so many events that are handled with another, the traces are told.
const MOST_TOLD: usize = 32;

/// Which event is to be handled, and by whom.
#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    consumer: String,
    event: Uuid,
}

/// The job that has `consumer` handle an event that was put aside.
pub(crate) fn job(consumer: &str, event: &Event) -> NewJob {
    let payload = Payload {
        consumer: consumer.to_owned(),
        event: event.id,
    };
    NewJob::new(Queue::Maintenance, HANDLE_EVENT, &payload).unique(handle_event_key(consumer, event.id))
}

/// Does the jobs of events that were put aside.
pub fn handle_events(store: Arc<dyn Store>, consumers: Vec<Arc<dyn Consumer>>) -> Arc<dyn JobHandler> {
    Arc::new(HandleEvents { store, consumers })
}

#[derive(Debug)]
struct HandleEvents {
    store: Arc<dyn Store>,
    consumers: Vec<Arc<dyn Consumer>>,
}

#[async_trait]
impl JobHandler for HandleEvents {
    fn kind(&self) -> &'static str {
        HANDLE_EVENT
    }

    async fn run(&self, job: &Job) -> Result<Done, JobError> {
        let Payload { consumer, event } =
            serde_json::from_str(job.payload.get()).map_err(|error| JobError::Reject(error.into()))?;
        let known = self.consumers.iter().find(|known| known.name() == consumer);
        let consumer =
            known.ok_or_else(|| JobError::Reject(format!("there is no consumer {consumer}").into()))?;
        let Some(tenant) = job.owner().tenant() else {
            return Err(JobError::Reject("events belong to tenants".into()));
        };
        let mut uow = self.store.begin_behind(&scope(tenant)).await?;
        if !uow.inbox().take_up(consumer.name(), event).await? {
            return Ok(Done::Now);
        }
        // Kept while this job is there, unless somebody has dropped it by hand: that it was put aside stays noted.
        let Some(found) = uow.events().find(event).await? else {
            return Err(JobError::Reject("the event is not kept any more".into()));
        };
        let handled = handle(&**consumer, std::slice::from_ref(&found), &mut *uow).await;
        handled.map_err(failed)?;
        uow.jobs().finish(&job.ticket).await?;
        uow.commit().await?;
        tracing::info!(
            consumer = consumer.name(),
            event.id = %event,
            tenant.id = %tenant,
            "an event that was put aside is handled"
        );
        Ok(Done::WithItsEffect)
    }
}

fn failed(error: HandleError) -> JobError {
    match error {
        HandleError::Store(error) => JobError::Store(error),
        HandleError::Retry(cause) => JobError::Retry(cause),
        HandleError::Reject(cause) => JobError::Reject(cause),
    }
}

/// A consumer that panics fails for this event, and for nobody else.
pub(crate) async fn handle(
    consumer: &dyn Consumer,
    events: &[Event],
    uow: &mut dyn UnitOfWork,
) -> Result<(), HandleError> {
    let began = Instant::now();
    let first = first_told(events);
    let span = spans::work(first.and_then(|first| first.trace_parent.as_deref()), || {
        tracing::debug_span!(
            "handle",
            otel.name = first.map(|first| field::display(name(first))),
            otel.kind = "consumer",
            otel.status_code = Empty,
            messaging.consumer.group.name = consumer.name(),
            messaging.message.id = first.map(|first| field::display(first.id)),
            messaging.batch.message_count = events.len(),
        )
    });
    let handling = AssertUnwindSafe(consumer.handle(events, uow));
    let handled = match handling.catch_unwind().instrument(span.clone()).await {
        Ok(handled) => handled,
        Err(_) => Err(HandleError::Reject(
            "the consumer panicked; the log says where".into(),
        )),
    };
    let mut status = Status::Unset;
    if handled.is_err() {
        span.record("otel.status_code", "ERROR");
        status = Status::error("");
    }
    let others = events
        .iter()
        .filter(|other| Some(other.id) != first.map(|first| first.id));
    tell(
        others.take(MOST_TOLD),
        consumer,
        events.len(),
        began.elapsed(),
        &status,
    );
    handled
}

/// The event whose trace is told of all that was done: the first one whose trace is told of anything.
fn first_told(events: &[Event]) -> Option<&Event> {
    let is_told = |event: &&Event| event.trace_parent.as_deref().is_some_and(spans::is_told);
    events.iter().find(is_told).or(events.first())
}

/// Tells the trace of each event how long it took to handle them with others.
fn tell<'e>(
    events: impl Iterator<Item = &'e Event>,
    consumer: &dyn Consumer,
    count: usize,
    took: Duration,
    status: &Status,
) {
    for event in events {
        spans::note_work(event.trace_parent.as_deref(), took, status.clone(), || {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            SpanBuilder::from_name(name(event))
                .with_kind(SpanKind::Consumer)
                .with_attributes([
                    KeyValue::new("messaging.consumer.group.name", consumer.name()),
                    KeyValue::new("messaging.message.id", event.id.to_string()),
                    KeyValue::new("messaging.batch.message_count", count),
                ])
        });
    }
}

fn name(event: &Event) -> String {
    format!("handle {}", event.event_type)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a job names its tenant, whose event it is about"
)]
fn scope(tenant: TenantId) -> TenantScope {
    SystemScope::new("to deliver events").tenant(tenant)
}
