//! Hands what a broker delivers to the consumers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::events::{Consumer, Delivered, Event, EventHandler, HandleError, Verdict};
use fairlead_domain::identity::TenantId;
use tokio::time::sleep;

use crate::Shared;
use crate::backoff::Backoff;
use crate::deliver::is_away;

const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(5),
};

pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
}

impl Dispatcher {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Which of the tenants of `delivered` a consumer has anything to do for. Where that cannot be told it is asked for all
    /// of them, and whatever stands in the way is met there.
    async fn concerned(&self, consumer: &dyn Consumer, delivered: &[Delivered]) -> Vec<TenantId> {
        let mut tenants: Vec<TenantId> = delivered.iter().map(|delivered| delivered.event.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        consumer.concerned(tenants.clone()).await.unwrap_or(tenants)
    }

    /// Has a consumer handle what it wants of one tenant's events; what fails together is tried one by one.
    async fn hand_over(&self, consumer: &dyn Consumer, run: &[Delivered], verdicts: &mut [Verdict]) {
        let wanted: Vec<usize> = (0..run.len())
            .filter(|&number| consumer.wants(&run[number].event.event_type))
            .collect();
        let events: Vec<Event> = wanted.iter().map(|&number| run[number].event.clone()).collect();
        if self.attempt(consumer, &events).await.is_ok() {
            return;
        }
        for (number, event) in wanted.into_iter().zip(&events) {
            let verdict = self.one(consumer, event, run[number].is_last).await;
            verdicts[number] = worse(verdicts[number], verdict);
        }
    }

    async fn one(&self, consumer: &dyn Consumer, event: &Event, is_last: bool) -> Verdict {
        let error = match self.attempt(consumer, std::slice::from_ref(event)).await {
            Ok(()) => return Verdict::Done,
            Err(error) => error,
        };
        if !is_last && !matches!(error, HandleError::Reject(_)) {
            return Verdict::Retry;
        }
        let mut failures = 0;
        loop {
            match self.shared.delivery.put_aside(consumer, event, &error).await {
                Ok(true) => return Verdict::Reject,
                // It was handled from the log meanwhile.
                Ok(false) => return Verdict::Done,
                Err(error) if !is_away(&error) => {
                    // The note is missing, but the delivery is given up all the same.
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, event.id = %event.id, "cannot note that an event was put aside");
                    return Verdict::Reject;
                }
                Err(_) => {
                    failures += 1;
                    sleep(BACKOFF.after(failures)).await;
                }
            }
        }
    }

    /// Tries again for as long as the database is away.
    async fn attempt(&self, consumer: &dyn Consumer, events: &[Event]) -> Result<(), HandleError> {
        let mut failures = 0;
        loop {
            match self.shared.delivery.attempt(consumer, events).await {
                Err(HandleError::Store(error)) if is_away(&error) => {
                    failures += 1;
                    sleep(BACKOFF.after(failures)).await;
                }
                done => return done,
            }
        }
    }
}

/// An event is done when every consumer has done it. Those that have will know it when it comes again.
fn worse(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Retry, _) | (_, Verdict::Retry) => Verdict::Retry,
        (Verdict::Reject, _) | (_, Verdict::Reject) => Verdict::Reject,
        (Verdict::Done, Verdict::Done) => Verdict::Done,
    }
}

#[async_trait]
impl EventHandler for Dispatcher {
    async fn handle(&self, delivered: &[Delivered]) -> Vec<Verdict> {
        let consumers = self.shared.delivery.consumers();
        let mut concerned = Vec::with_capacity(consumers.len());
        for consumer in consumers {
            concerned.push(self.concerned(&**consumer, delivered).await);
        }
        let mut verdicts = vec![Verdict::Done; delivered.len()];
        let mut begins = 0;
        for run in delivered.chunk_by(|one, next| one.event.tenant == next.event.tenant) {
            let of_run = begins..begins + run.len();
            for (consumer, concerned) in consumers.iter().zip(&concerned) {
                if concerned.contains(&run[0].event.tenant) {
                    self.hand_over(&**consumer, run, &mut verdicts[of_run.clone()])
                        .await;
                }
            }
            begins = of_run.end;
        }
        verdicts
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dispatcher")
    }
}
