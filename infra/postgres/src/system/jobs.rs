use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::jobs::{FinishError, JobOwner, Jobs, NewJob, Queue, Ticket};
use fairlead_domain::store::StoreError;

use super::PgSystemUnitOfWork;
use crate::jobs;

impl PgSystemUnitOfWork {
    fn enqueuing(&self) -> jobs::Enqueuing<'_> {
        jobs::Enqueuing {
            connection: &self.connection,
            ids: &*self.ids,
            priorities: self.priorities,
            owner: JobOwner::Platform,
        }
    }
}

#[async_trait]
impl Jobs for PgSystemUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.jobs.enqueue_for_platform", skip_all)]
    async fn enqueue(&mut self, job: NewJob) -> Result<(), StoreError> {
        jobs::enqueue(self.enqueuing(), &job).await?;
        self.deeds.note_enqueued(job.queue);
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.enqueue_all_for_platform", skip_all)]
    async fn enqueue_all(&mut self, jobs: Vec<NewJob>) -> Result<(), StoreError> {
        jobs::enqueue_all(self.enqueuing(), &jobs).await?;
        for job in &jobs {
            self.deeds.note_enqueued(job.queue);
        }
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.hasten_for_platform", skip_all)]
    async fn hasten(&mut self, queue: Queue, unique_key: &str) -> Result<(), StoreError> {
        jobs::hasten(&self.connection, JobOwner::Platform, queue, unique_key).await?;
        self.deeds.note_enqueued(queue);
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.hold", skip_all)]
    async fn hold(&mut self, ticket: &Ticket) -> Result<(), FinishError> {
        jobs::hold(&self.connection, ticket).await
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.set_aside", skip_all)]
    async fn set_aside(&mut self, ticket: &Ticket) -> Result<(), FinishError> {
        jobs::set_aside(&self.connection, ticket).await
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.finish", skip_all)]
    async fn finish(&mut self, ticket: &Ticket) -> Result<(), FinishError> {
        jobs::finish(&self.connection, ticket).await
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.postpone", skip_all)]
    async fn postpone(
        &mut self,
        ticket: &Ticket,
        after: Duration,
        fault: Option<&str>,
    ) -> Result<(), FinishError> {
        jobs::postpone(&self.connection, ticket, after, fault).await
    }
}
