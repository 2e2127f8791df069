use async_trait::async_trait;
use fairlead_domain::jobs::{FinishError, JobOwner, Jobs, NewJob, Ticket};
use fairlead_domain::store::StoreError;

use super::PgSystemUnitOfWork;
use crate::jobs;

#[async_trait]
impl Jobs for PgSystemUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.jobs.enqueue_for_platform", skip_all)]
    async fn enqueue(&mut self, job: NewJob) -> Result<(), StoreError> {
        jobs::enqueue(&self.connection, &*self.ids, JobOwner::Platform, &job).await?;
        self.deeds.note_enqueued(job.queue);
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.finish", skip_all)]
    async fn finish(&mut self, ticket: &Ticket) -> Result<(), FinishError> {
        jobs::finish(&self.connection, ticket).await
    }
}
