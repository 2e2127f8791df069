use std::sync::Arc;

use async_trait::async_trait;

use super::{Delivery, DispatchEvents, NewDelivery, PING, Subscriber, WebhookDirectory};
use crate::Id;
use crate::events::{Consumer, Event, HandleError};
use crate::identity::TenantId;
use crate::jobs::{NewJob, Queue};
use crate::store::{StoreError, UnitOfWork};

/// Deliveries of one tenant that whoever reads the log makes by the way. The readers of all tenants wait for that, so more
/// are made by jobs, for which tenants take turns.
const AT_ONCE: usize = 50;

/// Has each event delivered to the webhooks that want it.
#[derive(Clone, Debug)]
pub struct DispatchWebhooks {
    directory: Arc<dyn WebhookDirectory>,
}

impl DispatchWebhooks {
    pub fn new(directory: Arc<dyn WebhookDirectory>) -> Self {
        Self { directory }
    }
}

#[async_trait]
impl Consumer for DispatchWebhooks {
    fn name(&self) -> &'static str {
        "webhooks"
    }

    fn wants(&self, _: &str) -> bool {
        true
    }

    /// An event that is passed over here and comes again, to a webhook that was made meanwhile, is from before it was
    /// made: see [`Subscriber::since`].
    async fn concerned(&self, tenants: Vec<TenantId>) -> Result<Vec<TenantId>, StoreError> {
        self.directory.with_webhooks(tenants).await
    }

    async fn handle(&self, events: &[Event], uow: &mut dyn UnitOfWork) -> Result<(), HandleError> {
        let subscribers = uow.webhooks().subscribers().await?;
        let wanted: usize = events.iter().map(|event| wanting(&subscribers, event)).sum();
        if wanted <= AT_ONCE {
            let deliveries = deliveries(uow, events, &subscribers);
            deliver_later(uow, &deliveries).await?;
        } else {
            let jobs = DispatchEvents::jobs(events, |event| wanting(&subscribers, event));
            uow.jobs().enqueue_all(jobs).await?;
        }
        Ok(())
    }
}

/// How many webhooks want an event.
fn wanting(subscribers: &[Subscriber], event: &Event) -> usize {
    subscribers
        .iter()
        .filter(|subscriber| subscriber.wants(event))
        .count()
}

/// A delivery of each event to each webhook that wants it.
pub(super) fn deliveries(
    uow: &mut dyn UnitOfWork,
    events: &[Event],
    subscribers: &[Subscriber],
) -> Vec<NewDelivery> {
    let mut deliveries = Vec::new();
    for event in events {
        for subscriber in subscribers.iter().filter(|subscriber| subscriber.wants(event)) {
            deliveries.push(NewDelivery {
                id: Id::from_uuid(uow.next_id()),
                webhook: subscriber.id,
                event: event.id,
                event_type: event.event_type.clone(),
                replay: None,
                is_failing: subscriber.is_failing,
            });
        }
    }
    deliveries
}

impl Subscriber {
    fn wants(&self, event: &Event) -> bool {
        if event.event_type == PING {
            return event.aggregate_id == self.id.as_uuid();
        }
        // Whoever made it knows by the answer.
        let is_of_its_making =
            event.event_type == "webhook_created" && event.aggregate_id == self.id.as_uuid();
        self.is_enabled
            && event.cursor > self.since
            && !is_of_its_making
            && self.events.matches(&event.event_type)
    }
}

/// Adds deliveries, with a job for each.
pub(super) async fn deliver_later(
    uow: &mut dyn UnitOfWork,
    deliveries: &[NewDelivery],
) -> Result<(), StoreError> {
    if deliveries.is_empty() {
        return Ok(());
    }
    uow.webhook_deliveries().add(deliveries).await?;
    let jobs = deliveries.iter().map(|delivery| {
        let job = NewJob::new(Queue::Webhooks, Delivery::JOB, &delivery.id.as_uuid())
            .unique(Delivery::job_key(delivery.id));
        let job = if delivery.is_failing { job.aside() } else { job };
        // What happens now does not wait for what was.
        if delivery.replay.is_some() {
            job.less_urgent()
        } else {
            job
        }
    });
    uow.jobs().enqueue_all(jobs.collect()).await
}
