//! What exports of leads do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::access::{ExportLeads, Permit, SystemScope};
use fairlead_domain::consistency::{LogPosition, ReadIntent};
use fairlead_domain::identity::TenantId;
use fairlead_domain::jobs::{Job, JobHandler, NewJob};
use fairlead_domain::leads::export::{self, Export, ExportJob, LeadFiles, MAX_PART_LEADS, Part};
use fairlead_domain::operations::{Operation, OperationId, Step, StepError, Turn};
use fairlead_domain::store::{Store, StoreError, UnitOfWork};

use crate::fault;
use crate::operations::{OperationJobs, Work};

/// Does the jobs of exports. `pause`: before one goes on that failed behind some of its parts.
pub fn exports(store: Arc<dyn Store>, files: Arc<dyn LeadFiles>, pause: Duration) -> Arc<dyn JobHandler> {
    let work = Exports {
        store: Arc::clone(&store),
        files,
    };
    Arc::new(OperationJobs::new(work, store, pause))
}

#[derive(Debug)]
struct Exports {
    store: Arc<dyn Store>,
    files: Arc<dyn LeadFiles>,
}

struct Task {
    job: ExportJob,
    permit: Permit<ExportLeads>,
    export: Export,
    /// How many leads are asked for next.
    limit: u32,
    /// Where leads are read: on any node that has all that was there when the job was begun.
    intent: ReadIntent,
}

#[async_trait]
impl Work for Exports {
    const KIND: &'static str = ExportJob::KIND;
    const GIVEN_UP: &'static str = "it failed several times for reasons that are ours; begin another one";
    type Task = Task;

    async fn begin(
        &self,
        system: &SystemScope,
        tenant: TenantId,
        job: &Job,
        operation: &Operation,
        position: LogPosition,
    ) -> Result<Task, StepError> {
        let id = operation.id();
        let permit = Permit::<ExportLeads>::resumed(system, tenant, operation.record().created_by);
        let mut uow = self.store.begin_behind(permit.scope()).await?;
        let export = export::resume(&mut *uow, id).await?;
        drop(uow);
        let task = Task {
            job: ExportJob::of(job, id),
            permit,
            export,
            limit: MAX_PART_LEADS,
            intent: ReadIntent::ANALYTICS.raised_to(position),
        };
        // Who could not tell at the begin does not try again behind each slice.
        if operation.record().total.is_none() && operation.record().done == 0 {
            let estimated = self.estimate(&task).await;
            estimated.unwrap_or_else(|error| {
                tracing::warn!(
                    fault = fault::told(&error),
                    operation.id = %id,
                    "cannot tell how much an export has to do; it goes on without"
                );
            });
        }
        Ok(task)
    }

    async fn step(&self, task: &mut Task, job: &Job, turn: Turn) -> Result<Step, StepError> {
        let part = self.read(task).await?;
        task.limit = part.next_limit;
        let mut uow = self.store.begin_behind(task.permit.scope()).await?;
        let place = (&mut task.export, &part);
        let step = export::write(&mut *uow, &task.permit, &task.job, &job.ticket, place, turn).await?;
        uow.commit().await?;
        Ok(step)
    }

    fn rest(&self, task: &Task) -> NewJob {
        task.job.to_enqueue()
    }

    async fn drop_some(&self, uow: &mut dyn UnitOfWork, id: OperationId) -> Result<bool, StoreError> {
        uow.operation_outputs().drop_some(id).await
    }
}

impl Exports {
    /// Reads the leads that come next, and writes their lines, while nothing is locked.
    async fn read(&self, task: &Task) -> Result<Part, StoreError> {
        let Export { request, after, .. } = &task.export;
        let query = export::query(&request.filter, *after, task.limit);
        let mut uow = self.store.read(task.permit.scope(), task.intent).await?;
        let page = uow.leads().list(&query).await?;
        drop(uow);
        Ok(Part::of(&*self.files, request.format, *after, page, task.limit))
    }

    /// Counts what there is to do.
    async fn estimate(&self, task: &Task) -> Result<(), StoreError> {
        let filter = &task.export.request.filter;
        let mut uow = self.store.read(task.permit.scope(), task.intent).await?;
        let counted = uow.leads().list(&export::count(filter)).await?.total;
        drop(uow);
        let Some(total) = counted else { return Ok(()) };
        let mut uow = self.store.begin_behind(task.permit.scope()).await?;
        let found = uow.operations().find_for_update(task.job.operation()).await?;
        if let Some(operation) = found.filter(|operation| !operation.has_ended()) {
            uow.operations()
                .advance(&operation.estimate(total), &[], 0)
                .await?;
            uow.commit().await?;
        }
        Ok(())
    }
}
