use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::catch_up::{Rooms, catch_up_later};
use super::{Delivery, NewDelivery, PING, Subscriber, WebhookDirectory};
use crate::Id;
use crate::events::{Consumer, Event, HandleError};
use crate::identity::TenantId;
use crate::jobs::{NewJob, Queue};
use crate::store::{StoreError, UnitOfWork};

/// Has each event delivered to the webhooks that want it.
///
/// As many deliveries of a webhook wait as it has room for. What comes then stays in the log, and a replay sends it once
/// there is room again: nothing is left out, and a receiver that takes nothing costs no more than its room.
#[derive(Debug)]
pub struct DispatchWebhooks {
    directory: Arc<dyn WebhookDirectory>,
    rooms: Rooms,
}

impl DispatchWebhooks {
    /// `most_pending` deliveries of a tenant may wait; each of its webhooks has an equal part of that.
    pub fn new(directory: Arc<dyn WebhookDirectory>, most_pending: u32) -> Self {
        Self {
            directory,
            rooms: Rooms::new(most_pending),
        }
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
        let share = self.rooms.share(subscribers.len() as u64);
        let (mut deliveries, mut left) = (Vec::new(), BTreeMap::new());
        for event in events {
            for subscriber in subscribers.iter().filter(|subscriber| subscriber.wants(event)) {
                let has_room = event.event_type == PING
                    || !left.contains_key(&subscriber.id)
                        && self.rooms.take(uow, subscriber.id, event.cursor, share).await?;
                if !has_room {
                    let stretch = left.entry(subscriber.id).or_insert((event.cursor, event.cursor));
                    stretch.1 = event.cursor;
                    continue;
                }
                deliveries.push(NewDelivery {
                    id: Id::from_uuid(uow.next_id()),
                    webhook: subscriber.id,
                    event: event.id,
                    event_type: event.event_type.clone(),
                    replay: None,
                });
            }
        }
        deliver_later(uow, &deliveries).await?;
        for (webhook, (first, last)) in left {
            catch_up_later(uow, webhook, first, last).await?;
        }
        Ok(())
    }
}

impl Subscriber {
    fn wants(&self, event: &Event) -> bool {
        if event.event_type == PING {
            return event.aggregate_id == self.id.as_uuid();
        }
        self.is_enabled && event.cursor.xid > self.since && self.events.matches(&event.event_type)
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
        // What happens now does not wait for what was.
        if delivery.replay.is_some() {
            job.less_urgent()
        } else {
            job
        }
    });
    uow.jobs().enqueue_all(jobs.collect()).await
}
