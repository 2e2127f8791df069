use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::deliver::{of_tenant, payload, scope};
use super::dispatch::deliver_later;
use super::{NewDelivery, PING, Replay, ReplayState, Webhook};
use crate::Id;
use crate::events::EventFilter;
use crate::jobs::{DeadJob, Done, Job, JobError, JobHandler};
use crate::store::{Store, StoreError, UnitOfWork};

/// Events that a step reads.
const STEP: u32 = 200;
/// While so many deliveries of the webhook wait, no more are added.
const MOST_PENDING: u32 = 1_000;
/// After so long it is looked whether there is room again, or more to be read.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Does a step of a replay: a bounded stretch of the log, in one transaction with the job of the next step.
#[derive(Clone, Debug)]
pub struct ReplayWebhook {
    store: Arc<dyn Store>,
}

impl ReplayWebhook {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl JobHandler for ReplayWebhook {
    fn kind(&self) -> &'static str {
        Replay::JOB
    }

    async fn run(&self, job: &Job) -> Result<Done, JobError> {
        let scope = scope(job)?;
        let id = Id::from_uuid(payload(job)?);
        let mut uow = self.store.begin_behind(&scope).await?;
        let found = uow.webhook_replays().find_for_update(id).await?;
        let may_go_on = |replay: &Replay| replay.state == ReplayState::Running || replay.state.is_given_up();
        let Some(mut replay) = found.filter(may_go_on) else {
            uow.jobs().finish(&job.ticket).await?;
            uow.commit().await?;
            return Ok(Done::WithItsEffect);
        };
        let webhook = uow.webhooks().find(replay.webhook).await?;
        let next = match webhook.filter(|webhook| webhook.state.is_enabled()) {
            None => Next::Ended(ReplayState::Stopped { at: uow.now() }),
            Some(webhook) => {
                // What gives one up leaves its job dead: whoever claims that does so because an operator has had it
                // tried again.
                if replay.state.is_given_up() {
                    if !uow.webhook_replays().resume(&replay).await? {
                        // Behind the one that was begun since.
                        uow.jobs().postpone(&job.ticket, LOOK_AGAIN, None).await?;
                        uow.commit().await?;
                        return Ok(Done::Postponed);
                    }
                    replay.state = ReplayState::Running;
                }
                step(&mut *uow, &mut replay, &webhook).await?
            }
        };
        if let Next::Ended(state) = next {
            replay.state = state;
        }
        uow.webhook_replays().update(&replay).await?;
        let done = if let Next::Later = next {
            uow.jobs().postpone(&job.ticket, LOOK_AGAIN, None).await?;
            Done::Postponed
        } else {
            uow.jobs().finish(&job.ticket).await?;
            Done::WithItsEffect
        };
        if let Next::AtOnce = next {
            uow.jobs().enqueue(replay.job()).await?;
        }
        uow.commit().await?;
        Ok(done)
    }

    /// Has the replay end with its job, so that another can be begun. It goes on when the job is tried again.
    async fn died(&self, job: &DeadJob) -> Result<(), StoreError> {
        let (Some(tenant), Some(id)) = (job.owner.tenant(), Replay::of_job_key(job)) else {
            return Ok(());
        };
        let mut uow = self.store.begin_behind(&of_tenant(tenant)).await?;
        let found = uow.webhook_replays().find_for_update(id).await?;
        if let Some(mut replay) = found.filter(|replay| replay.state == ReplayState::Running) {
            replay.state = ReplayState::GivenUp { at: uow.now() };
            uow.webhook_replays().update(&replay).await?;
        }
        uow.commit().await?;
        Ok(())
    }
}

/// When the next step is due.
enum Next {
    AtOnce,
    /// There is no room, or nothing more to be read yet.
    Later,
    Ended(ReplayState),
}

async fn step(uow: &mut dyn UnitOfWork, replay: &mut Replay, webhook: &Webhook) -> Result<Next, StoreError> {
    let pending = uow
        .webhook_deliveries()
        .count_pending(webhook.id, MOST_PENDING)
        .await?;
    if pending >= MOST_PENDING {
        return Ok(Next::Later);
    }
    let wanted = EventFilter {
        types: webhook.events.names().map(<[String]>::to_vec).unwrap_or_default(),
        aggregate: None,
    };
    let room = STEP.min(MOST_PENDING - pending);
    let page = uow.events().after(&wanted, Some(replay.place), room).await?;
    if page.is_cut {
        // Whoever asked for it is not told that all was sent.
        return Ok(Next::Ended(ReplayState::Expired { at: uow.now() }));
    }
    let is_within = |cursor| replay.until.is_none_or(|until| cursor <= until);
    let within = page.events.partition_point(|event| is_within(event.cursor));
    let mut deliveries = Vec::new();
    for event in &page.events[..within] {
        // A ping is about whether the webhook worked then.
        if event.event_type != PING {
            deliveries.push(NewDelivery {
                id: Id::from_uuid(uow.next_id()),
                webhook: webhook.id,
                event: event.id,
                event_type: event.event_type.clone(),
                replay: Some(replay.id),
                is_failing: false,
            });
        }
    }
    deliver_later(uow, &deliveries).await?;
    replay.deliveries += deliveries.len() as u64;
    replay.place = page.next;
    let is_over =
        within < page.events.len() || !is_within(page.next) || (!page.has_more && replay.is_settled);
    Ok(if is_over {
        Next::Ended(ReplayState::Completed { at: uow.now() })
    } else if page.has_more {
        Next::AtOnce
    } else {
        Next::Later
    })
}
