use async_trait::async_trait;
use fairlead_domain::clock::Ids;
use fairlead_domain::jobs::{FinishError, JobOwner, Jobs, NewJob, Ticket};
use fairlead_domain::store::StoreError;
use fairlead_telemetry::request;

use crate::connection::Connection;
use crate::store::PgUnitOfWork;

const ENQUEUE: &str = "
    INSERT INTO jobs (tenant_id, id, queue, kind, payload, unique_key, priority, state, trace_context, run_at)
    VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7, CASE WHEN $8 > now() THEN 'delayed' ELSE 'waiting' END, $9,
            COALESCE($8, now()))
    ON CONFLICT (tenant_id, queue, unique_key)
        WHERE unique_key IS NOT NULL AND state IN ('delayed', 'waiting', 'active') DO NOTHING";

pub(super) const FINISH: &str = "
    UPDATE jobs SET state = 'completed', lease_until = NULL, finished_at = now()
    WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND fence = $3";

/// Nobody waits for the answer: it travels with whatever is sent next.
pub(crate) async fn enqueue(
    connection: &Connection,
    ids: &dyn Ids,
    owner: JobOwner,
    job: &NewJob,
) -> Result<(), StoreError> {
    let of_request = || request::current().map(|request| request.traceparent());
    connection
        .sql(ENQUEUE)
        .bind(owner.as_uuid())
        .bind(ids.next())
        .bind(job.queue.as_str())
        .bind(job.kind)
        .bind(job.payload.get())
        .bind(job.unique_key.as_deref())
        .bind(job.priority)
        .bind(job.run_at)
        .bind(job.trace_parent.clone().or_else(of_request))
        .enqueue()
        .await
}

pub(crate) async fn finish(connection: &Connection, ticket: &Ticket) -> Result<(), FinishError> {
    let finished = connection
        .sql(FINISH)
        .bind(ticket.owner.as_uuid())
        .bind(ticket.id.as_uuid())
        .bind(ticket.fence)
        .execute()
        .await
        .map_err(StoreError::from)?;
    if finished == 1 {
        Ok(())
    } else {
        Err(FinishError::Lost)
    }
}

#[async_trait]
impl Jobs for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.jobs.enqueue", skip_all)]
    async fn enqueue(&mut self, job: NewJob) -> Result<(), StoreError> {
        let owner = JobOwner::Tenant(self.tenant);
        enqueue(&self.connection, &*self.ids, owner, &job).await?;
        self.note_enqueued(job.queue);
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.finish", skip_all)]
    async fn finish(&mut self, ticket: &Ticket) -> Result<(), FinishError> {
        finish(&self.connection, ticket).await
    }
}
