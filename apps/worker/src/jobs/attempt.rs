//! One attempt at a job, from the claim to the note of what became of it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::jobs::{DeadJob, Done, Job, JobError, JobHandler, JobOwner, Ticket};
use fairlead_domain::store::StoreError;
use fairlead_telemetry::spans;
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep, timeout};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::counts::Ended;
use super::{BACKOFF, Lane, Shared};
use crate::backoff::Backoff;
use crate::fault;

/// When a job comes again whose kind this process does not know: a newer one will have it. Later each time, because
/// after a way back to an older release nobody may.
const OF_OTHERS: Backoff = Backoff {
    first: Duration::from_secs(5),
    most: Duration::from_mins(10),
};
const CUT_OFF_WITHIN: Duration = Duration::from_secs(1);

/// Begins an attempt, in a task of its own. The job's claim was asked for at `since`.
pub(super) fn begin(shared: &Arc<Shared>, lane: usize, job: Job, since: Instant) {
    let ticket = job.ticket;
    let hand = &shared.lanes[lane].hand;
    let held = hand.take(&job, since);
    let queue = shared.lanes[lane].queue;
    let span = spans::work(job.trace_parent.as_deref(), || {
        tracing::info_span!(
            "job",
            otel.name = %format_args!("job {}", job.kind),
            otel.kind = "consumer",
            otel.status_code = Empty,
            job.id = %ticket.id,
            job.kind = job.kind,
            job.queue = queue.as_str(),
            job.attempt = job.attempt,
            trace.parent = job.trace_parent,
            tenant.id = job.owner().tenant().map(tracing::field::display),
        )
    });
    let of_task = Arc::clone(shared);
    let attempt = async move {
        let _held = held;
        make(&of_task, &of_task.lanes[lane], &job).await;
    };
    let task = fairlead_telemetry::spawn(attempt.instrument(span));
    hand.set_abort(ticket, task.abort_handle());
}

async fn make(shared: &Shared, lane: &Lane, job: &Job) {
    let Some(handler) = shared.handlers.get(job.kind.as_str()) else {
        tracing::warn!("a job of a kind that this process does not know is left to others");
        let claims = u32::try_from(job.ticket.fence).unwrap_or(1);
        note(shared, &job.ticket, Note::GiveBack(OF_OTHERS.after(claims))).await;
        return;
    };
    if handler.is_of_platform() != (job.owner() == JobOwner::Platform) {
        // A row that no code of this release has written.
        let fault = "a job of the platform is the platform's, and no other is";
        let dead = Note::Fail {
            fault,
            retry_after: None,
        };
        if note(shared, &job.ticket, dead).await {
            tracing::error!(fault, "a job is given up");
            shared.counts.note(lane.queue, Ended::Dead, Duration::ZERO);
        }
        return;
    }
    let began = Instant::now();
    let limit = handler.timeout().unwrap_or(lane.settings.timeout);
    let result = run(&**handler, job, limit).await;
    let took = began.elapsed();
    if result.is_err() {
        Span::current().record("otel.status_code", "ERROR");
    }
    let ended = settle(shared, lane, &**handler, job, result).await;
    shared.counts.note(lane.queue, ended, took);
    if let Some(tenant) = job.owner().tenant() {
        shared.counts.note_tenant(tenant, took);
    }
}

/// Runs the handler; its panic and its time-out are failures like any other.
async fn run(handler: &dyn JobHandler, job: &Job, limit: Duration) -> Result<Done, JobError> {
    let attempt = AssertUnwindSafe(handler.run(job)).catch_unwind();
    match timeout(limit, attempt).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(JobError::Retry("it panicked; the log says where".into())),
        Err(_) => Err(JobError::Retry(
            format!("it took longer than {} ms", limit.as_millis()).into(),
        )),
    }
}

/// Notes what became of an attempt.
async fn settle(
    shared: &Shared,
    lane: &Lane,
    handler: &dyn JobHandler,
    job: &Job,
    result: Result<Done, JobError>,
) -> Ended {
    let ticket = &job.ticket;
    let error = match result {
        Ok(Done::WithItsEffect) => return Ended::Completed,
        Ok(Done::Postponed) => return Ended::Retried,
        Ok(Done::Now) => {
            let kept = note(shared, ticket, Note::Complete).await;
            return if kept { Ended::Completed } else { lost() };
        }
        Err(JobError::Lost) => return lost(),
        Err(error) => error,
    };
    let retry = handler.retry().unwrap_or(lane.settings.retry);
    let retry_after = match error {
        JobError::Reject(_) => None,
        _ => retry.after(job.attempt, ticket.id.as_uuid()),
    };
    let fault = fault::told(&error);
    let failed = Note::Fail {
        fault: &fault,
        retry_after,
    };
    if !note(shared, ticket, failed).await {
        return lost();
    }
    let Some(pause) = retry_after else {
        tracing::error!(fault, "a job is given up");
        tell_of_death(handler, &job.into()).await;
        return Ended::Dead;
    };
    let retry_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    tracing::warn!(fault, retry_ms, "an attempt at a job has failed");
    Ended::Retried
}

/// Somebody else has the job.
fn lost() -> Ended {
    tracing::warn!("the claim of a job was lost; what was done under it is refused");
    Ended::Lost
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug)]
enum Note<'n> {
    Complete,
    Fail {
        fault: &'n str,
        retry_after: Option<Duration>,
    },
    GiveBack(Duration),
}

/// Tries for as long as the database does not answer; returns whether the claim was not lost before. What the database
/// refuses is not tried again: the claim lapses, and so is put back.
async fn note(shared: &Shared, ticket: &Ticket, note: Note<'_>) -> bool {
    let mut failures = 0;
    loop {
        let noted = match note {
            Note::Complete => shared.store.complete(ticket).await,
            Note::Fail { fault, retry_after } => shared.store.fail(ticket, fault, retry_after).await,
            Note::GiveBack(after) => shared.store.give_back(ticket, after).await,
        };
        match noted {
            Ok(kept) => return kept,
            Err(error) if !may_pass(&error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "what became of a job cannot be noted");
                return false;
            }
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "cannot note what became of a job; it is tried again");
                }
                sleep(BACKOFF.after(failures)).await;
            }
        }
    }
}

fn may_pass(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Unavailable(_)
            | StoreError::Exhausted(_)
            | StoreError::Interrupted(_)
            | StoreError::InDoubt(_)
            | StoreError::TimedOut
            | StoreError::Contended
    )
}

/// Cuts off all attempts of a queue and gives their jobs back.
pub(super) async fn give_back_all(shared: &Shared, lane: &Lane) {
    let tickets: Vec<Ticket> = lane.hand.tickets();
    for ticket in &tickets {
        lane.hand.cut_off(ticket);
    }
    // One that blocks its thread cannot be cut off; what it may still do is refused, because the job is given back.
    let _ = timeout(CUT_OFF_WITHIN, lane.hand.emptied()).await;
    for ticket in &tickets {
        // It may have come to its end meanwhile, and else its claim lapses by itself.
        match shared.store.give_back(ticket, Duration::ZERO).await {
            Ok(true) => tracing::info!(job.id = %ticket.id, "a job was cut off and given back"),
            Ok(false) => {}
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(job.id = %ticket.id, error, "a job was cut off; others have it once its claim lapses");
            }
        }
    }
}

/// Lets a handler do what is to be done about a job that was given up.
pub(super) async fn tell_of_death(handler: &dyn JobHandler, job: &DeadJob) {
    if let Err(error) = handler.died(job).await {
        let error: &dyn std::error::Error = &error;
        tracing::error!(job.id = %job.id, job.kind = job.kind, error, "cannot note what follows from a job's end");
    }
}
