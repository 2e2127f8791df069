//! What imports of leads do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::access::{ImportLeads, Permit, SystemScope};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;
use fairlead_domain::jobs::{Job, JobHandler, NewJob};
use fairlead_domain::leads::import::{self, ImportJob};
use fairlead_domain::operations::{Operation, OperationId, Step, StepError, Turn};
use fairlead_domain::store::{Store, StoreError, UnitOfWork};

use crate::operations::{OperationJobs, Work};

/// Does the jobs of imports. `pause`: before one goes on that failed behind some of its parts.
pub fn imports(store: Arc<dyn Store>, pause: Duration) -> Arc<dyn JobHandler> {
    let work = Imports {
        store: Arc::clone(&store),
    };
    Arc::new(OperationJobs::new(work, store, pause))
}

#[derive(Debug)]
struct Imports {
    store: Arc<dyn Store>,
}

struct Task {
    import: ImportJob,
    permit: Permit<ImportLeads>,
}

#[async_trait]
impl Work for Imports {
    const KIND: &'static str = ImportJob::KIND;
    const GIVEN_UP: &'static str =
        "it failed several times for reasons that are ours; what was imported until then is there";
    type Task = Task;

    async fn begin(
        &self,
        system: &SystemScope,
        tenant: TenantId,
        job: &Job,
        operation: &Operation,
        _: LogPosition,
    ) -> Result<Task, StepError> {
        let import = ImportJob::read(job, operation.id());
        Ok(Task {
            import: import.map_err(|error| StepError::Impossible(error.into()))?,
            permit: Permit::<ImportLeads>::resumed(system, tenant, operation.record().created_by),
        })
    }

    async fn step(&self, task: &mut Task, job: &Job, turn: Turn) -> Result<Step, StepError> {
        let Task { import, permit } = task;
        let mut uow = self.store.begin_behind(permit.scope()).await?;
        let step = import::step(&mut *uow, permit, import, &job.ticket, turn).await?;
        uow.commit().await?;
        Ok(step)
    }

    fn rest(&self, task: &Task) -> NewJob {
        task.import.to_enqueue()
    }

    async fn drop_some(&self, uow: &mut dyn UnitOfWork, id: OperationId) -> Result<bool, StoreError> {
        uow.operations().drop_input(id).await
    }
}
