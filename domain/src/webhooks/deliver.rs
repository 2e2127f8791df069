use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::disable::{disable, disable_if_failing};
use super::verdict::{Outcome, Verdict, for_a_time, held_up, judge};
use super::{
    Answer, Assignment, Attempt, Delivery, DeliveryId, DeliveryState, DisabledReason, Message, SendFault,
    SigningSecrets, WebhookMeters, WebhookSender,
};
use crate::Id;
use crate::access::{SystemScope, TenantScope};
use crate::clock::Clock;
use crate::consistency::ReadIntent;
use crate::events::Event;
use crate::identity::TenantId;
use crate::jobs::{DeadJob, Done, Job, JobError, JobHandler, Queue, Retry};
use crate::store::{Store, StoreError, UnitOfWork};

/// What it takes to make deliveries.
#[derive(Clone, Debug)]
pub struct DeliverWebhookParts {
    pub store: Arc<dyn Store>,
    pub sender: Arc<dyn WebhookSender>,
    pub secrets: Arc<dyn SigningSecrets>,
    pub clock: Arc<dyn Clock>,
    /// Its pauses count, and not its attempts: a delivery is tried for a time.
    pub retry: Retry,
    pub meters: Arc<WebhookMeters>,
}

/// Makes a delivery: reads what is to be sent, sends it, and notes what became of it.
///
/// What is for a receiver that fails, or does not answer for long, stands aside: it is tried as well, and holds but a part
/// of the places that the tenant has, so that its other webhooks are called in time.
///
/// Nothing of the database is held while the receiver is waited for. When the process ends in between, the delivery is
/// made again: at least once, under the same id.
#[derive(Clone, Debug)]
pub struct DeliverWebhook {
    parts: DeliverWebhookParts,
}

/// What an attempt came to.
struct Sent {
    at: OffsetDateTime,
    took: Duration,
    outcome: Outcome,
    fault: Option<String>,
    /// When it ended, as far as anybody may know. How long it took to look a name up is nobody's to know: it differs
    /// between names that there are and others. So all that follows such an attempt counts from its beginning.
    ended: OffsetDateTime,
}

impl Sent {
    fn new(at: OffsetDateTime, ended: OffsetDateTime, result: Result<Answer, SendFault>) -> Self {
        let hides_time = matches!(result, Err(fault) if fault.is_of_name());
        let ended = if hides_time { at } else { ended };
        let (outcome, fault) = match result {
            Ok(answer) => (Outcome::Answered(answer), answer.fault()),
            Err(fault) if fault.is_ours() => (Outcome::OurTrouble, Some(fault.to_string())),
            Err(fault) => (Outcome::Silent, Some(fault.to_string())),
        };
        Self {
            at,
            took: between(at, ended),
            outcome,
            fault,
            ended,
        }
    }

    /// What is left at `now` of a pause behind it.
    fn left_of(&self, pause: Duration, now: OffsetDateTime) -> Duration {
        between(now, self.ended + pause)
    }
}

fn between(from: OffsetDateTime, to: OffsetDateTime) -> Duration {
    (to - from).try_into().unwrap_or_default()
}

impl DeliverWebhook {
    pub fn new(mut parts: DeliverWebhookParts) -> Self {
        parts.retry = for_a_time(parts.retry);
        Self { parts }
    }

    async fn read(
        &self,
        scope: &TenantScope,
        id: DeliveryId,
    ) -> Result<Option<(Assignment, Option<Event>)>, StoreError> {
        let mut uow = self.parts.store.read(scope, ReadIntent::STRONG).await?;
        let Some(assignment) = uow.webhook_deliveries().assignment(id).await? else {
            return Ok(None);
        };
        let event = uow.events().find(assignment.delivery.event).await?;
        uow.commit().await?;
        Ok(Some((assignment, event)))
    }

    /// Sends an event, or says why it cannot be sent.
    async fn send(&self, scope: &TenantScope, assignment: &Assignment, event: &Event) -> Sent {
        let Assignment { webhook, secrets, .. } = assignment;
        let at = self.parts.clock.now();
        let open = |sealed: &Vec<u8>| self.parts.secrets.open(sealed, scope.tenant(), webhook.id);
        let Some(present) = open(&secrets.present) else {
            let fault = "the secret cannot be read since the installation has another key: rotate it";
            return Sent {
                at,
                took: Duration::ZERO,
                outcome: Outcome::OurTrouble,
                fault: Some(fault.to_owned()),
                ended: at,
            };
        };
        let counts = webhook.old_secret_until.is_some_and(|until| until > at);
        let old = secrets.old.as_ref().filter(|_| counts).and_then(open);
        let keys: Vec<_> = [Some(present), old].into_iter().flatten().collect();
        let message = Message::sign(event, at, &*self.parts.secrets, &keys);
        let result = self.parts.sender.send(&webhook.url, &message).await;
        let ended = self.parts.clock.now();
        self.parts.meters.attempts.note(between(at, ended));
        Sent::new(at, ended, result)
    }

    /// Has a delivery that has failed wait once more. What ends one finishes its job with it, unless the job is given
    /// up: so whoever claims the job of one that has failed does so because an operator has had it tried again.
    async fn begin_anew(
        &self,
        scope: &TenantScope,
        job: &Job,
        delivery: &Delivery,
    ) -> Result<Option<Delivery>, JobError> {
        let mut uow = self.parts.store.begin_behind(scope).await?;
        let found = uow
            .webhook_deliveries()
            .find_for_update(delivery.webhook, delivery.id)
            .await?;
        let Some(mut delivery) = found else {
            return Ok(None);
        };
        uow.jobs().hold(&job.ticket).await?;
        if let DeliveryState::Failed { .. } = delivery.state {
            let now = uow.now();
            delivery.tried_since = now;
            delivery.failing_since = None;
            delivery.state = DeliveryState::Pending { next_at: now };
            uow.webhook_deliveries().update(&delivery).await?;
        }
        uow.commit().await?;
        Ok(Some(delivery))
    }

    /// There is nothing to send any more.
    async fn finish(&self, scope: &TenantScope, job: &Job, id: DeliveryId) -> Result<Done, JobError> {
        let mut uow = self.parts.store.begin_behind(scope).await?;
        let canceled = DeliveryState::Canceled { at: uow.now() };
        uow.webhook_deliveries().end_pending(id, canceled).await?;
        uow.jobs().finish(&job.ticket).await?;
        uow.commit().await?;
        Ok(Done::WithItsEffect)
    }

    async fn set_aside(&self, scope: &TenantScope, job: &Job) -> Result<Done, JobError> {
        let mut uow = self.parts.store.begin_behind(scope).await?;
        uow.jobs().set_aside(&job.ticket).await?;
        uow.commit().await?;
        Ok(Done::Postponed)
    }

    /// Ends a delivery without an attempt.
    async fn end(
        &self,
        scope: &TenantScope,
        job: &Job,
        mut delivery: Delivery,
        state: fn(OffsetDateTime) -> DeliveryState,
    ) -> Result<Done, JobError> {
        let mut uow = self.parts.store.begin_behind(scope).await?;
        delivery.state = state(uow.now());
        uow.webhook_deliveries().update(&delivery).await?;
        uow.jobs().finish(&job.ticket).await?;
        uow.commit().await?;
        let meters = &self.parts.meters;
        note(match delivery.state {
            DeliveryState::Canceled { .. } => &meters.canceled,
            _ => &meters.failed,
        });
        Ok(Done::WithItsEffect)
    }

    /// Notes an attempt, and has the job finished or put off with that.
    async fn settle(
        &self,
        scope: &TenantScope,
        job: &Job,
        mut delivery: Delivery,
        sent: Sent,
    ) -> Result<Done, JobError> {
        let retry = self.parts.retry;
        let pause = retry.after(job.attempt, delivery.id.as_uuid());
        if pause.is_none() && sent.outcome == Outcome::OurTrouble {
            // Nobody has mended it for days: a dead letter, which operators look at.
            return Err(JobError::Reject(sent.fault.unwrap_or_default().into()));
        }
        let webhook = delivery.webhook;
        let mut uow = self.parts.store.begin_behind(scope).await?;
        let now = sent.ended;
        delivery.tried_since += held_up(&delivery, sent.outcome, sent.at);
        let mut verdict = judge(
            &delivery,
            sent.outcome,
            pause.unwrap_or(retry.most),
            retry.most,
            now,
        );
        let has_failed = matches!(verdict, Verdict::Again(_) | Verdict::GivenUp);
        if has_failed && was_asked_for(&mut *uow, &delivery).await? {
            if verdict == Verdict::GivenUp {
                // It begins anew, as one does that was given up before.
                delivery.tried_since = now;
                delivery.failing_since = None;
            }
            verdict = Verdict::Again(Duration::ZERO);
        }
        let fault = sent.fault.clone().unwrap_or_default();
        delivery.attempts += 1;
        delivery.last = Some(Attempt {
            at: sent.at,
            status: sent.outcome.answer().map(|answer| answer.status),
            took: sent.took,
            fault: sent.fault.clone(),
        });
        let mut disabled = false;
        match verdict {
            Verdict::Succeeded => {
                delivery.state = DeliveryState::Succeeded { at: now };
                uow.webhooks().note_success(webhook).await?;
            }
            Verdict::Again(pause) => {
                delivery.state = DeliveryState::Pending { next_at: now + pause };
                if sent.outcome != Outcome::OurTrouble {
                    delivery.failing_since.get_or_insert(now);
                    uow.webhooks()
                        .note_failure(webhook, now, unseen_after(retry))
                        .await?;
                }
            }
            Verdict::GivenUp => {
                delivery.state = DeliveryState::Failed { at: now };
                if !delivery.is_ping() {
                    uow.webhooks()
                        .note_failure(webhook, now, unseen_after(retry))
                        .await?;
                    disabled = disable_if_failing(&mut *uow, &delivery).await?;
                }
            }
            Verdict::Gone => {
                delivery.state = DeliveryState::Failed { at: now };
                disabled = disable(&mut *uow, webhook, DisabledReason::Gone).await?;
            }
        }
        uow.webhook_deliveries().update(&delivery).await?;
        if let Verdict::Again(pause) = verdict {
            let left = sent.left_of(pause, uow.now());
            uow.jobs().postpone(&job.ticket, left, Some(&fault)).await?;
            if pause.is_zero() {
                let key = Delivery::job_key(delivery.id);
                uow.jobs().hasten(Queue::Webhooks, &key).await?;
            }
        } else {
            uow.jobs().finish(&job.ticket).await?;
        }
        uow.commit().await?;
        let meters = &self.parts.meters;
        if disabled {
            note(&meters.disabled);
        }
        Ok(match verdict {
            Verdict::Succeeded => {
                note(&meters.succeeded);
                Done::WithItsEffect
            }
            Verdict::Again(_) => {
                note(&meters.retried);
                Done::Postponed
            }
            Verdict::GivenUp | Verdict::Gone => {
                note(&meters.failed);
                Done::WithItsEffect
            }
        })
    }
}

/// Whether somebody has asked for another attempt while this one was under way.
async fn was_asked_for(uow: &mut dyn UnitOfWork, delivery: &Delivery) -> Result<bool, StoreError> {
    let now = uow
        .webhook_deliveries()
        .find_for_update(delivery.webhook, delivery.id)
        .await?;
    Ok(now.is_some_and(|now| now.state.is_pending() && now.state != delivery.state))
}

/// A receiver of which no failure was noted for so long was not tried meanwhile: a queue was paused, the database away,
/// or names could not be looked up.
fn unseen_after(retry: Retry) -> Duration {
    retry.most * 2 + Duration::from_hours(2)
}

fn note(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The rows of the tenant whose job it is.
pub(super) fn scope(job: &Job) -> Result<TenantScope, JobError> {
    let tenant = job.owner().tenant();
    tenant
        .map(of_tenant)
        .ok_or_else(|| JobError::Reject("webhooks belong to tenants".into()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a job names its tenant, which has enqueued it"
)]
pub(super) fn of_tenant(tenant: TenantId) -> TenantScope {
    SystemScope::new("to send webhooks").tenant(tenant)
}

/// The id that is all of a job's payload.
pub(super) fn payload(job: &Job) -> Result<Uuid, JobError> {
    serde_json::from_str(job.payload.get()).map_err(|error| JobError::Reject(error.into()))
}

#[async_trait]
impl JobHandler for DeliverWebhook {
    fn kind(&self) -> &'static str {
        Delivery::JOB
    }

    fn retry(&self) -> Option<Retry> {
        Some(self.parts.retry)
    }

    async fn run(&self, job: &Job) -> Result<Done, JobError> {
        let scope = scope(job)?;
        let id = Id::from_uuid(payload(job)?);
        let Some((assignment, event)) = self.read(&scope, id).await? else {
            return self.finish(&scope, job, id).await;
        };
        let mut delivery = assignment.delivery.clone();
        let has_failed = matches!(delivery.state, DeliveryState::Failed { .. });
        // A ping is tried once, and who wants another asks for it.
        let may_again = assignment.webhook.state.is_enabled() && !delivery.is_ping() && event.is_some();
        if has_failed && may_again {
            let Some(anew) = self.begin_anew(&scope, job, &delivery).await? else {
                return self.finish(&scope, job, id).await;
            };
            delivery = anew;
        }
        if !delivery.state.is_pending() {
            return self.finish(&scope, job, id).await;
        }
        if !assignment.webhook.state.is_enabled() && !delivery.is_ping() {
            let canceled = |at| DeliveryState::Canceled { at };
            return self.end(&scope, job, delivery, canceled).await;
        }
        let Some(event) = event else {
            // Events are kept for less time than this one was tried, or waited.
            let mut delivery = delivery;
            delivery.last = Some(Attempt {
                at: self.parts.clock.now(),
                status: None,
                took: Duration::ZERO,
                fault: Some("the event is not kept any more".to_owned()),
            });
            return self
                .end(&scope, job, delivery, |at| DeliveryState::Failed { at })
                .await;
        };
        let mut place = None;
        if !job.is_aside {
            // A ping asks whether it still fails.
            if assignment.is_failing && !delivery.is_ping() {
                return self.set_aside(&scope, job).await;
            }
            place = self.parts.sender.place(delivery.webhook).await;
            if place.is_none() {
                return self.set_aside(&scope, job).await;
            }
        }
        // One that has ended and is made once more has attempts, though its job has none.
        let is_first = job.attempt == 1 && delivery.attempts == 0;
        if is_first && delivery.replay.is_none() && !delivery.is_ping() {
            let waited = self.parts.clock.now() - event.occurred_at;
            self.parts
                .meters
                .waits
                .note(waited.try_into().unwrap_or_default());
        }
        let sent = self.send(&scope, &assignment, &event).await;
        drop(place);
        self.settle(&scope, job, delivery, sent).await
    }

    /// Has the delivery end with its job: whoever looks sees that nobody tries any more.
    async fn died(&self, job: &DeadJob) -> Result<(), StoreError> {
        let (Some(tenant), Some(id)) = (job.owner.tenant(), Delivery::of_job_key(job)) else {
            return Ok(());
        };
        let mut uow = self.parts.store.begin_behind(&of_tenant(tenant)).await?;
        let failed = DeliveryState::Failed { at: uow.now() };
        uow.webhook_deliveries().end_pending(id, failed).await?;
        uow.commit().await?;
        note(&self.parts.meters.failed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const AT: OffsetDateTime = datetime!(2026-11-22 10:00:00 UTC);
    const PAUSE: Duration = Duration::from_secs(5);

    #[test]
    fn how_long_a_name_was_looked_up_is_seen_by_nothing_that_follows() {
        for fault in [SendFault::NoAddress, SendFault::Lookup] {
            for took in [Duration::from_millis(3), Duration::from_secs(4)] {
                let sent = Sent::new(AT, AT + took, Err(fault));

                assert_eq!((sent.took, sent.ended), (Duration::ZERO, AT), "{fault:?}");
                // The next attempt is due when it is said to be.
                let left = PAUSE.saturating_sub(took);
                assert_eq!(sent.left_of(PAUSE, AT + took), left);
            }
        }
        let late = Sent::new(AT, AT + PAUSE * 2, Err(SendFault::NoAddress));
        assert_eq!(late.left_of(PAUSE, AT + PAUSE * 2), Duration::ZERO);
    }

    #[test]
    fn the_pause_behind_a_receiver_that_was_asked_counts_from_the_end_of_the_attempt() {
        let took = Duration::from_secs(4);

        let sent = Sent::new(AT, AT + took, Err(SendFault::NoConnection));

        assert_eq!((sent.took, sent.ended), (took, AT + took));
        assert_eq!(sent.left_of(PAUSE, AT + took), PAUSE);
    }
}
