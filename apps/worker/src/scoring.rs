//! What runs over many leads do that are to be scored.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::access::{Permit, ScoreLeads, SystemScope};
use fairlead_domain::ai::Asker;
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;
use fairlead_domain::jobs::{Job, JobHandler, NewJob};
use fairlead_domain::leads::scoring::{self, Asked, Next, Run, ScoringJob};
use fairlead_domain::operations::{Operation, OperationId, Step, StepError, Turn};
use fairlead_domain::store::{Store, StoreError, UnitOfWork};

use crate::operations::{OperationJobs, Work};

/// Does the jobs of runs. `pause`: before one goes on that failed behind some of its leads.
pub fn scorings(store: Arc<dyn Store>, asker: Asker, pause: Duration) -> Arc<dyn JobHandler> {
    let work = Scorings {
        store: Arc::clone(&store),
        asker,
    };
    Arc::new(OperationJobs::new(work, store, pause))
}

#[derive(Debug)]
struct Scorings {
    store: Arc<dyn Store>,
    asker: Asker,
}

struct Task {
    job: ScoringJob,
    permit: Permit<ScoreLeads>,
    run: Run,
}

#[async_trait]
impl Work for Scorings {
    const KIND: &'static str = ScoringJob::KIND;
    const GIVEN_UP: &'static str = "it failed several times for reasons that are ours; begin another one";
    type Task = Task;

    async fn begin(
        &self,
        system: &SystemScope,
        tenant: TenantId,
        job: &Job,
        operation: &Operation,
        _: LogPosition,
    ) -> Result<Task, StepError> {
        let permit = Permit::<ScoreLeads>::resumed(system, tenant, operation.record().created_by);
        let mut uow = self.store.begin_behind(permit.scope()).await?;
        let run = scoring::resume(&mut *uow, operation).await?;
        Ok(Task {
            job: ScoringJob::of(job, operation.id()),
            permit,
            run,
        })
    }

    /// Scores one lead. Nothing is open while the model is asked.
    async fn step(&self, task: &mut Task, job: &Job, turn: Turn) -> Result<Step, StepError> {
        let operation = task.job.operation();
        let mut uow = self.store.begin_behind(task.permit.scope()).await?;
        let next = scoring::prepare(&mut *uow, &task.permit, &self.asker, operation, &task.run).await?;
        uow.commit().await?;

        let asked = match next {
            Next::Ask(scoring) => Asked::Judged(Box::new(scoring.ask().await)),
            Next::Nothing => Asked::Nothing,
            Next::Wait => Asked::Away,
        };

        let mut uow = self.store.begin_behind(task.permit.scope()).await?;
        let jobs = (&mut task.job, &job.ticket);
        let step = scoring::write(&mut *uow, &task.permit, jobs, &mut task.run, asked, turn).await?;
        uow.commit().await?;
        Ok(step)
    }

    fn rest(&self, task: &Task) -> NewJob {
        task.job.to_enqueue()
    }

    async fn drop_some(&self, _: &mut dyn UnitOfWork, _: OperationId) -> Result<bool, StoreError> {
        // It keeps nothing but what was asked for, which goes with the operation.
        Ok(false)
    }
}
