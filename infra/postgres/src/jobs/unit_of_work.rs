use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::clock::Ids;
use fairlead_domain::jobs::{FinishError, JobOwner, Jobs, NewJob, Priorities, Queue, Ticket};
use fairlead_domain::store::StoreError;
use fairlead_telemetry::request;
use uuid::Uuid;

use crate::connection::Connection;
use crate::statement::milliseconds;
use crate::store::PgUnitOfWork;

const ENQUEUE: &str = "
    INSERT INTO jobs (tenant_id, id, queue, kind, payload, unique_key, priority, state, trace_context, run_at)
    VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7, CASE WHEN $8 > now() THEN 'delayed' ELSE 'waiting' END, $9,
            COALESCE($8, now()))
    ON CONFLICT (tenant_id, queue, unique_key)
        WHERE unique_key IS NOT NULL AND state IN ('delayed', 'waiting', 'active') DO NOTHING";

// As above, in the order of the keys everywhere: two who enqueue the same do not wait for each other in a circle.
const ENQUEUE_ALL: &str = "
    INSERT INTO jobs (tenant_id, id, queue, kind, payload, unique_key, priority, state, trace_context, run_at)
    SELECT $1, j.id, j.queue, j.kind, j.payload::jsonb, j.unique_key, j.priority,
           CASE WHEN j.run_at > now() THEN 'delayed' ELSE 'waiting' END, $2, COALESCE(j.run_at, now())
    FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[], $9::timestamptz[])
         AS j (id, queue, kind, payload, unique_key, priority, run_at)
    ORDER BY j.unique_key
    ON CONFLICT (tenant_id, queue, unique_key)
        WHERE unique_key IS NOT NULL AND state IN ('delayed', 'waiting', 'active') DO NOTHING";

const HASTEN: &str = "
    UPDATE jobs SET state = 'waiting', run_at = now()
    WHERE tenant_id = $1 AND queue = $2 AND unique_key = $3 AND state = 'delayed'";

// Who would give it to another worker passes over what is locked, or waits for this transaction.
const HOLD: &str = "
    SELECT FROM jobs WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND fence = $3 FOR NO KEY UPDATE";

const SET_ASIDE: &str = "
    UPDATE jobs SET state = 'waiting', priority = priority + $4, attempts = attempts - 1, lease_until = NULL
    WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND fence = $3";

// Where nothing failed the attempt is taken back.
const POSTPONE: &str = "
    UPDATE jobs
    SET state = 'delayed', run_at = now() + $4 * interval '1 millisecond', lease_until = NULL, fault = $5,
        attempts = CASE WHEN $5 IS NULL THEN attempts - 1 ELSE attempts END
    WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND fence = $3";

pub(super) const FINISH: &str = "
    UPDATE jobs SET state = 'completed', lease_until = NULL, finished_at = now()
    WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND fence = $3";

/// What is enqueued with, whoever does it.
pub(crate) struct Enqueuing<'e> {
    pub(crate) connection: &'e Connection,
    pub(crate) ids: &'e dyn Ids,
    pub(crate) priorities: Priorities,
    pub(crate) owner: JobOwner,
}

impl Enqueuing<'_> {
    fn priority(&self, job: &NewJob) -> i32 {
        let priority = job.priority.unwrap_or_else(|| self.priorities.of(job.queue));
        let aside = if job.is_aside { NewJob::ASIDE } else { 0 };
        priority
            .saturating_add(i32::from(job.is_less_urgent))
            .saturating_add(aside)
    }
}

/// Nobody waits for the answer: it travels with whatever is sent next.
pub(crate) async fn enqueue(enqueuing: Enqueuing<'_>, job: &NewJob) -> Result<(), StoreError> {
    let of_request = || request::current().map(|request| request.traceparent());
    enqueuing
        .connection
        .sql(ENQUEUE)
        .bind(enqueuing.owner.as_uuid())
        .bind(enqueuing.ids.next())
        .bind(job.queue.as_str())
        .bind(job.kind)
        .bind(job.payload.get())
        .bind(job.unique_key.as_deref())
        .bind(enqueuing.priority(job))
        .bind(job.run_at)
        .bind(job.trace_parent.clone().or_else(of_request))
        .enqueue()
        .await
}

/// The same for many.
pub(crate) async fn enqueue_all(enqueuing: Enqueuing<'_>, jobs: &[NewJob]) -> Result<(), StoreError> {
    let texts = |text: fn(&NewJob) -> &str| -> Vec<&str> { jobs.iter().map(text).collect() };
    let keys: Vec<Option<&str>> = jobs.iter().map(|job| job.unique_key.as_deref()).collect();
    enqueuing
        .connection
        .sql(ENQUEUE_ALL)
        .bind(enqueuing.owner.as_uuid())
        .bind(request::current().map(|request| request.traceparent()))
        .bind(jobs.iter().map(|_| enqueuing.ids.next()).collect::<Vec<Uuid>>())
        .bind(texts(|job| job.queue.as_str()))
        .bind(texts(|job| job.kind))
        .bind(texts(|job| job.payload.get()))
        .bind(keys)
        .bind(
            jobs.iter()
                .map(|job| enqueuing.priority(job))
                .collect::<Vec<i32>>(),
        )
        .bind(jobs.iter().map(|job| job.run_at).collect::<Vec<_>>())
        .enqueue()
        .await
}

pub(crate) async fn hasten(
    connection: &Connection,
    owner: JobOwner,
    queue: Queue,
    unique_key: &str,
) -> Result<(), StoreError> {
    connection
        .sql(HASTEN)
        .bind(owner.as_uuid())
        .bind(queue.as_str())
        .bind(unique_key)
        .enqueue()
        .await
}

pub(crate) async fn postpone(
    connection: &Connection,
    ticket: &Ticket,
    after: Duration,
    fault: Option<&str>,
) -> Result<(), FinishError> {
    let postponed = connection
        .sql(POSTPONE)
        .bind(ticket.owner.as_uuid())
        .bind(ticket.id.as_uuid())
        .bind(ticket.fence)
        .bind(milliseconds(after))
        .bind(fault)
        .execute()
        .await
        .map_err(StoreError::from)?;
    kept(postponed)
}

pub(crate) async fn set_aside(connection: &Connection, ticket: &Ticket) -> Result<(), FinishError> {
    let set_aside = connection
        .sql(SET_ASIDE)
        .bind(ticket.owner.as_uuid())
        .bind(ticket.id.as_uuid())
        .bind(ticket.fence)
        .bind(NewJob::ASIDE)
        .execute()
        .await
        .map_err(StoreError::from)?;
    kept(set_aside)
}

pub(crate) async fn hold(connection: &Connection, ticket: &Ticket) -> Result<(), FinishError> {
    under_claim(connection, HOLD, ticket).await
}

pub(crate) async fn finish(connection: &Connection, ticket: &Ticket) -> Result<(), FinishError> {
    under_claim(connection, FINISH, ticket).await
}

async fn under_claim(
    connection: &Connection,
    statement: &'static str,
    ticket: &Ticket,
) -> Result<(), FinishError> {
    let rows = connection
        .sql(statement)
        .bind(ticket.owner.as_uuid())
        .bind(ticket.id.as_uuid())
        .bind(ticket.fence)
        .execute()
        .await
        .map_err(StoreError::from)?;
    kept(rows)
}

/// Whether the claim was still the last one.
fn kept(rows: u64) -> Result<(), FinishError> {
    if rows == 1 { Ok(()) } else { Err(FinishError::Lost) }
}

impl PgUnitOfWork {
    fn enqueuing(&self) -> Enqueuing<'_> {
        Enqueuing {
            connection: &self.connection,
            ids: &*self.ids,
            priorities: self.priorities,
            owner: JobOwner::Tenant(self.tenant),
        }
    }
}

#[async_trait]
impl Jobs for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.jobs.enqueue", skip_all)]
    async fn enqueue(&mut self, job: NewJob) -> Result<(), StoreError> {
        enqueue(self.enqueuing(), &job).await?;
        self.note_enqueued(job.queue);
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.enqueue_all", skip_all)]
    async fn enqueue_all(&mut self, jobs: Vec<NewJob>) -> Result<(), StoreError> {
        enqueue_all(self.enqueuing(), &jobs).await?;
        for job in &jobs {
            self.note_enqueued(job.queue);
        }
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.hasten", skip_all)]
    async fn hasten(&mut self, queue: Queue, unique_key: &str) -> Result<(), StoreError> {
        hasten(&self.connection, JobOwner::Tenant(self.tenant), queue, unique_key).await?;
        self.note_enqueued(queue);
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.hold", skip_all)]
    async fn hold(&mut self, ticket: &Ticket) -> Result<(), FinishError> {
        hold(&self.connection, ticket).await
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.set_aside", skip_all)]
    async fn set_aside(&mut self, ticket: &Ticket) -> Result<(), FinishError> {
        set_aside(&self.connection, ticket).await
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.finish", skip_all)]
    async fn finish(&mut self, ticket: &Ticket) -> Result<(), FinishError> {
        finish(&self.connection, ticket).await
    }

    #[tracing::instrument(level = "debug", name = "db.jobs.postpone", skip_all)]
    async fn postpone(
        &mut self,
        ticket: &Ticket,
        after: Duration,
        fault: Option<&str>,
    ) -> Result<(), FinishError> {
        postpone(&self.connection, ticket, after, fault).await
    }
}
