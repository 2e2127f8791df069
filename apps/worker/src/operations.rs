//! Does the jobs of operations: one part by each unit of work, a slice of the operation by each job.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::access::{Actor, SystemScope, TenantScope};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;
use fairlead_domain::jobs::{DeadJob, Done, Job, JobError, JobHandler, NewJob};
use fairlead_domain::operations::{
    self, Operation, OperationId, Step, StepError, TakenUp, Turn, hand_on, operation_of, take_up,
};
use fairlead_domain::store::{Store, StoreError, UnitOfWork};
use tokio::time::Instant;

use crate::fault;

/// How much of an operation one job does, whichever is over first. The rest is the next job's, which comes behind those
/// of other tenants and has all its attempts again: so a long operation keeps nobody waiting, and dies of no more
/// failures than a short one.
const SLICE_PARTS: u32 = 50;
const SLICE_TIME: Duration = Duration::from_secs(10);

/// What operations of one kind do.
#[async_trait]
pub(crate) trait Work: Debug + Send + Sync {
    const KIND: &'static str;
    /// What is told of one that was given up.
    const GIVEN_UP: &'static str;
    /// One that is under way.
    type Task: Send + Sync;

    /// Finds out what the job of an operation is to do. The operation runs by now, at `position` of the log.
    async fn begin(
        &self,
        system: &SystemScope,
        tenant: TenantId,
        job: &Job,
        operation: &Operation,
        position: LogPosition,
    ) -> Result<Self::Task, StepError>;

    /// Does one part, durably.
    async fn step(&self, task: &mut Self::Task, job: &Job, turn: Turn) -> Result<Step, StepError>;

    /// The job that does the rest.
    fn rest(&self, task: &Self::Task) -> NewJob;

    /// Drops some of what is kept for an operation that was stopped; returns whether there may be more.
    async fn drop_some(&self, uow: &mut dyn UnitOfWork, id: OperationId) -> Result<bool, StoreError>;
}

/// Does the jobs of the operations of one kind.
#[derive(Debug)]
pub(crate) struct OperationJobs<W> {
    work: W,
    store: Arc<dyn Store>,
    /// Before an operation goes on that failed behind some of its parts.
    pause: Duration,
    /// The process is about to stop: a part under way is the last.
    closes: AtomicBool,
}

/// A job of an operation.
struct Slice<'j, T> {
    job: &'j Job,
    operation: OperationId,
    scope: TenantScope,
    task: T,
    begun: Instant,
    /// How many parts it has done.
    parts: u32,
}

impl<W: Work> OperationJobs<W> {
    pub(crate) fn new(work: W, store: Arc<dyn Store>, pause: Duration) -> Self {
        Self {
            work,
            store,
            pause,
            closes: AtomicBool::new(false),
        }
    }

    async fn attempt(&self, tenant: TenantId, job: &Job) -> Result<Done, JobError> {
        let system = system();
        let scope = system.tenant(tenant);
        let id = operation_of(job.unique_key.as_deref()).map_err(|error| JobError::Reject(error.into()))?;
        let mut uow = self.store.begin_behind(&scope).await?;
        let operation = match take_up(&mut *uow, id, job).await? {
            TakenUp::Runs(operation) => operation,
            TakenUp::Over => return Ok(Done::Now),
            TakenUp::Stopped => {
                drop(uow);
                self.drop_all(&scope, id).await?;
                return Ok(Done::Now);
            }
        };
        let position = uow.commit().await?;
        let mut slice = Slice {
            job,
            operation: id,
            scope,
            task: self
                .work
                .begin(&system, tenant, job, &operation, position)
                .await?,
            begun: Instant::now(),
            parts: 0,
        };
        let error = match self.work_off(&mut slice).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        match &error {
            StepError::Store(_) if slice.parts > 0 => {
                let went_on = self.go_on_later(&slice, &error).await;
                went_on.map_err(|_| error.into())
            }
            _ => Err(error.into()),
        }
    }

    /// Does one part after the other, until the slice or the operation is at its end.
    async fn work_off(&self, slice: &mut Slice<'_, W::Task>) -> Result<Done, StepError> {
        loop {
            let turn = self.turn(slice);
            match self.work.step(&mut slice.task, slice.job, turn).await? {
                Step::Done => {
                    slice.parts += 1;
                    // The stop came while the part was under way.
                    if self.closes.load(Ordering::Relaxed) {
                        return self.hand_on(slice, None).await;
                    }
                }
                Step::HandedOn | Step::Completed => return Ok(Done::WithItsEffect),
                Step::GivenUp => {
                    // Nobody comes back to it: what cannot be dropped now, housekeeping drops.
                    let dropped = self.drop_all(&slice.scope, slice.operation).await;
                    dropped.unwrap_or_else(|error| {
                        tracing::warn!(
                            fault = fault::told(&error),
                            operation.id = %slice.operation,
                            operation.kind = W::KIND,
                            "cannot drop what an operation has kept that was given up"
                        );
                    });
                    return Ok(Done::WithItsEffect);
                }
                Step::Stopped => {
                    self.drop_all(&slice.scope, slice.operation).await?;
                    return Ok(Done::Now);
                }
            }
        }
    }

    /// Whether the part that comes next is the last of its slice.
    fn turn(&self, slice: &Slice<'_, W::Task>) -> Turn {
        if slice.parts + 1 >= SLICE_PARTS
            || slice.begun.elapsed() >= SLICE_TIME
            || self.closes.load(Ordering::Relaxed)
        {
            Turn::Ends
        } else {
            Turn::GoesOn
        }
    }

    /// Drops what is kept for an operation that was stopped; what is left when the process stops, housekeeping does.
    async fn drop_all(&self, scope: &TenantScope, id: OperationId) -> Result<(), StoreError> {
        while !self.closes.load(Ordering::Relaxed) {
            let mut uow = self.store.begin_behind(scope).await?;
            let has_more = self.work.drop_some(&mut *uow, id).await?;
            uow.commit().await?;
            if !has_more {
                break;
            }
        }
        Ok(())
    }

    /// Has a job that failed behind some of its parts be followed by another: what it has done is no reason to count the
    /// failure as one of too many.
    async fn go_on_later(&self, slice: &Slice<'_, W::Task>, error: &StepError) -> Result<Done, StepError> {
        tracing::warn!(
            fault = fault::told(error),
            operation.id = %slice.operation,
            operation.kind = W::KIND,
            "an operation failed behind some of its parts; it goes on later"
        );
        self.hand_on(slice, Some(self.pause)).await
    }

    /// Finishes the job, and has another one do the rest after a while.
    async fn hand_on(&self, slice: &Slice<'_, W::Task>, pause: Option<Duration>) -> Result<Done, StepError> {
        let mut uow = self.store.begin_behind(&slice.scope).await?;
        let at = pause.map(|pause| uow.now() + pause);
        let rest = self.work.rest(&slice.task);
        hand_on(&mut *uow, &slice.job.ticket, rest, at).await?;
        uow.commit().await?;
        Ok(Done::WithItsEffect)
    }

    async fn give_up(&self, tenant: TenantId, job: &DeadJob) -> Result<(), StoreError> {
        let Ok(operation) = operation_of(job.unique_key.as_deref()) else {
            return Ok(());
        };
        let mut uow = self.store.begin_behind(&system().tenant(tenant)).await?;
        operations::give_up(&mut *uow, operation, Actor::System, W::GIVEN_UP).await?;
        uow.commit().await.map(drop)
    }
}

#[async_trait]
impl<W: Work> JobHandler for OperationJobs<W> {
    fn kind(&self) -> &'static str {
        W::KIND
    }

    async fn run(&self, job: &Job) -> Result<Done, JobError> {
        match job.owner().tenant() {
            Some(tenant) => self.attempt(tenant, job).await,
            None => Ok(Done::Now),
        }
    }

    fn close(&self) {
        self.closes.store(true, Ordering::Relaxed);
    }

    /// Tells who has asked for it that the operation is given up. Where that fails too, housekeeping does it.
    async fn died(&self, job: &DeadJob) -> Result<(), StoreError> {
        match job.owner.tenant() {
            Some(tenant) => self.give_up(tenant, job).await,
            None => Ok(()),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a job goes on with what a caller was permitted to begin"
)]
fn system() -> SystemScope {
    SystemScope::new("an operation that was begun goes on")
}
