use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::deliver::scope;
use super::dispatch::{deliver_later, deliveries};
use crate::events::Event;
use crate::jobs::{Done, Job, JobError, JobHandler, NewJob, Queue};
use crate::store::Store;

/// Deliveries that one job makes, where no single event is wanted by more webhooks. Its transaction is short by that:
/// while it is open nobody reads beyond it in the log of events.
const MOST_DELIVERIES: usize = 200;

/// Makes the deliveries of events that are too many for whoever reads the log, who waits for nothing but the notes that
/// they are handled. Each job has events of its own, by name: what comes out of order is nobody else's.
#[derive(Clone, Debug)]
pub struct DispatchEvents {
    store: Arc<dyn Store>,
}

/// Which events.
#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    /// Their months are kept until this is done (`drop-old-events`).
    oldest: Uuid,
    events: Vec<Uuid>,
}

impl DispatchEvents {
    /// Names the jobs.
    pub const JOB: &'static str = "dispatch-webhooks";

    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The jobs that make the deliveries of `events`, where `wanting` says how many webhooks want one.
    pub(super) fn jobs(events: &[Event], wanting: impl Fn(&Event) -> usize) -> Vec<NewJob> {
        let mut jobs = Vec::new();
        let (mut part, mut deliveries) = (Vec::new(), 0);
        for event in events {
            let wanted = wanting(event);
            if wanted == 0 {
                continue;
            }
            if deliveries + wanted > MOST_DELIVERIES {
                jobs.extend(Self::job(std::mem::take(&mut part)));
                deliveries = 0;
            }
            part.push(event.id);
            deliveries += wanted;
        }
        jobs.extend(Self::job(part));
        jobs
    }

    fn job(events: Vec<Uuid>) -> Option<NewJob> {
        let oldest = *events.iter().min()?;
        Some(NewJob::new(
            Queue::Webhooks,
            Self::JOB,
            &Payload { oldest, events },
        ))
    }
}

#[async_trait]
impl JobHandler for DispatchEvents {
    fn kind(&self) -> &'static str {
        Self::JOB
    }

    async fn run(&self, job: &Job) -> Result<Done, JobError> {
        let scope = scope(job)?;
        let Payload { events, .. } =
            serde_json::from_str(job.payload.get()).map_err(|error| JobError::Reject(error.into()))?;
        let mut uow = self.store.begin_behind(&scope).await?;
        let events = uow.events().find_all(&events).await?;
        let subscribers = uow.webhooks().subscribers().await?;
        let deliveries = deliveries(&mut *uow, &events, &subscribers);
        deliver_later(&mut *uow, &deliveries).await?;
        uow.jobs().finish(&job.ticket).await?;
        uow.commit().await?;
        Ok(Done::WithItsEffect)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use time::OffsetDateTime;

    use super::*;
    use crate::Id;
    use crate::events::EventCursor;

    fn event(number: u128) -> Event {
        Event {
            cursor: EventCursor::START,
            tenant: Id::from_uuid(Uuid::nil()),
            id: Uuid::from_u128(number),
            event_type: "lead_created".to_owned(),
            version: 1,
            aggregate_type: "lead".to_owned(),
            aggregate_id: Uuid::nil(),
            source: "api".to_owned(),
            actor: "system".to_owned(),
            data: RawValue::NULL.to_owned(),
            trace_parent: None,
            occurred_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn parts(events: u128, wanting: impl Fn(&Event) -> usize) -> Vec<Payload> {
        let events: Vec<Event> = (1..=events).rev().map(event).collect();
        let jobs = DispatchEvents::jobs(&events, wanting);
        jobs.iter()
            .map(|job| serde_json::from_str(job.payload.get()).unwrap())
            .collect()
    }

    #[test]
    fn each_event_that_somebody_wants_is_in_one_job_and_no_job_makes_many_deliveries() {
        for webhooks in [1, 3, 50, 300] {
            let parts = parts(500, |_| webhooks);

            let mut all: Vec<Uuid> = parts.iter().flat_map(|part| part.events.clone()).collect();
            assert!(
                parts
                    .iter()
                    .all(|part| part.events.len() == 1 || part.events.len() * webhooks <= MOST_DELIVERIES),
                "{webhooks}"
            );
            assert!(
                parts
                    .iter()
                    .all(|part| part.events.iter().min() == Some(&part.oldest))
            );
            all.sort_unstable();
            let wanted: Vec<Uuid> = (1..=500).map(Uuid::from_u128).collect();
            assert_eq!(all, wanted, "{webhooks}");
        }
    }

    #[test]
    fn what_nobody_wants_is_in_no_job() {
        let parts = parts(4, |event| usize::from(event.id.as_u128() % 2 == 0));

        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].events, [4, 2].map(Uuid::from_u128));
    }
}
