//! Does imports of leads: one part of the file by each unit of work, a slice of the file by each job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::access::{ImportLeads, Permit, SystemScope, TenantScope};
use fairlead_domain::identity::TenantId;
use fairlead_domain::jobs::{DeadJob, Done, Job, JobError, JobHandler};
use fairlead_domain::leads::import::{self, ImportJob, ImportStepError, Step, Turn};
use fairlead_domain::store::{Store, StoreError};
use tokio::time::Instant;

use crate::fault;

/// How much of an import one job does, whichever is over first. The rest is the next job's, which comes behind those of
/// other tenants and has all its attempts again: so a long import keeps nobody waiting, and dies of no more failures
/// than a short one.
const SLICE_PARTS: u32 = 50;
const SLICE_TIME: Duration = Duration::from_secs(10);

/// Does the jobs of imports.
#[derive(Debug)]
pub struct Imports {
    store: Arc<dyn Store>,
    /// Before an import goes on that failed behind some of its parts.
    pause: Duration,
    /// The process is about to stop: a part under way is the last.
    closes: AtomicBool,
}

/// A job of an import.
struct Slice<'j> {
    job: &'j Job,
    import: ImportJob,
    permit: Permit<ImportLeads>,
    begun: Instant,
    /// How many parts it has done.
    parts: u32,
}

impl Imports {
    pub fn new(store: Arc<dyn Store>, pause: Duration) -> Self {
        Self {
            store,
            pause,
            closes: AtomicBool::new(false),
        }
    }

    /// Does one part after the other, until the slice or the import is at its end.
    async fn work_off(&self, slice: &mut Slice<'_>) -> Result<Done, ImportStepError> {
        loop {
            let mut uow = self.store.begin_behind(slice.permit.scope()).await?;
            let turn = self.turn(slice);
            let step = import::step(&mut *uow, &slice.permit, &slice.import, &slice.job.ticket, turn).await?;
            uow.commit().await?;
            match step {
                Step::Done => slice.parts += 1,
                Step::HandedOn | Step::Completed => return Ok(Done::WithItsEffect),
                Step::Ended => {
                    self.drop_input(slice.permit.scope(), &slice.import).await?;
                    return Ok(Done::Now);
                }
            }
        }
    }

    /// Whether the part that comes next is the last of its slice.
    fn turn(&self, slice: &Slice<'_>) -> Turn {
        if slice.parts + 1 >= SLICE_PARTS
            || slice.begun.elapsed() >= SLICE_TIME
            || self.closes.load(Ordering::Relaxed)
        {
            Turn::Ends
        } else {
            Turn::GoesOn
        }
    }

    /// Drops what an import that has ended had still to do; what is left when the process stops, housekeeping does.
    async fn drop_input(&self, scope: &TenantScope, import: &ImportJob) -> Result<(), StoreError> {
        while !self.closes.load(Ordering::Relaxed) {
            let mut uow = self.store.begin_behind(scope).await?;
            let has_more = uow.operations().drop_input(import.operation()).await?;
            uow.commit().await?;
            if !has_more {
                break;
            }
        }
        Ok(())
    }

    /// Has a job that failed behind some of its parts be followed by another: what it has done is no reason to count the
    /// failure as one of too many.
    async fn go_on_later(&self, slice: &Slice<'_>, error: &ImportStepError) -> Result<Done, ImportStepError> {
        tracing::warn!(
            fault = fault::told(error),
            operation.id = %slice.import.operation(),
            "an import failed behind some of its parts; it goes on later"
        );
        let mut uow = self.store.begin_behind(slice.permit.scope()).await?;
        let later = uow.now() + self.pause;
        import::hand_on(&mut *uow, &slice.import, &slice.job.ticket, Some(later)).await?;
        uow.commit().await?;
        Ok(Done::WithItsEffect)
    }

    async fn attempt(&self, tenant: TenantId, job: &Job) -> Result<Done, JobError> {
        let system = system();
        let scope = system.tenant(tenant);
        let import = ImportJob::read(job).map_err(|error| JobError::Reject(error.into()))?;
        let mut uow = self.store.begin_behind(&scope).await?;
        let Some(actor) = import::start(&mut *uow, &import, job.attempt).await? else {
            self.drop_input(&scope, &import).await?;
            return Ok(Done::Now);
        };
        uow.commit().await?;
        let mut slice = Slice {
            job,
            import,
            permit: Permit::resumed(&system, tenant, actor),
            begun: Instant::now(),
            parts: 0,
        };
        let error = match self.work_off(&mut slice).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        match &error {
            ImportStepError::Store(_) if slice.parts > 0 => {
                let went_on = self.go_on_later(&slice, &error).await;
                went_on.map_err(|_| error.into())
            }
            _ => Err(error.into()),
        }
    }

    async fn give_up(&self, tenant: TenantId, job: &DeadJob) -> Result<(), StoreError> {
        let Ok(operation) = ImportJob::operation_of(job.unique_key.as_deref()) else {
            return Ok(());
        };
        let why = "it failed several times for reasons that are ours; what was imported until then is there";
        let mut uow = self.store.begin_behind(&system().tenant(tenant)).await?;
        import::give_up(&mut *uow, operation, why).await?;
        uow.commit().await.map(drop)
    }
}

#[async_trait]
impl JobHandler for Imports {
    fn kind(&self) -> &'static str {
        ImportJob::KIND
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

    /// Tells who has asked for it that the import is given up. Where that fails too, housekeeping does it.
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
    SystemScope::new("an import that was begun goes on")
}
