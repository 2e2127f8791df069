use std::time::Duration;

use crate::wire::{Error, Row};
use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::jobs::{
    Claim, Claimed, DeadJob, Finished, Hearing, JobOwner, JobStore, Queue, Swept, Ticket,
};
use fairlead_domain::store::StoreError;
use uuid::Uuid;

use super::claim::claim;
use super::hearing::PgHearing;
use super::unit_of_work::FINISH;
use crate::error::SqlError;
use crate::statement::milliseconds;
use crate::system::PgSystemStore;

/// Rows per statement.
const BATCH: i64 = 1_000;
/// Rows that are put back per statement: a little work each, and others wait for those that come behind.
const SWEEP: i64 = 5_000;

// A job whose row is locked is being finished by its own transaction: it is passed over, and not lost. Nor is one that
// is finished or put off: its handler may be about to return.
const EXTEND: &str = "
    WITH held AS (
        SELECT j.tenant_id, j.id, j.fence
        FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS t (tenant_id, id, fence)
        JOIN jobs AS j ON j.tenant_id = t.tenant_id AND j.id = t.id AND j.fence = t.fence
        WHERE j.state IN ('active', 'completed', 'delayed')
    ), free AS MATERIALIZED (
        SELECT j.ctid AS place
        FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS t (tenant_id, id, fence)
        JOIN jobs AS j ON j.tenant_id = t.tenant_id AND j.id = t.id AND j.fence = t.fence
        WHERE j.state = 'active'
        FOR UPDATE OF j SKIP LOCKED
    ), extended AS (
        UPDATE jobs SET lease_until = now() + $4 * interval '1 millisecond'
        WHERE ctid = ANY (ARRAY(SELECT place FROM free))
    )
    SELECT tenant_id, id, fence FROM held";

const FAIL: &str = "
    UPDATE jobs
    SET state = CASE WHEN $4::bigint IS NULL THEN 'dead' ELSE 'delayed' END,
        run_at = COALESCE(now() + $4 * interval '1 millisecond', run_at),
        finished_at = CASE WHEN $4::bigint IS NULL THEN now() END,
        lease_until = NULL, fault = $5
    WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND fence = $3";

const GIVE_BACK: &str = "
    UPDATE jobs
    SET state = CASE WHEN $4 = 0 THEN 'waiting' ELSE 'delayed' END, attempts = attempts - 1,
        run_at = CASE WHEN $4 = 0 THEN run_at ELSE now() + $4 * interval '1 millisecond' END, lease_until = NULL
    WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND fence = $3";

const DUE: &str = "
    UPDATE jobs SET state = 'waiting'
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM jobs WHERE state = 'delayed' AND run_at <= now()
        ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED))";

const RESCUE: &str = "
    UPDATE jobs
    SET state = CASE WHEN attempts < max_attempts THEN 'waiting' ELSE 'dead' END,
        finished_at = CASE WHEN attempts < max_attempts THEN NULL ELSE now() END,
        lease_until = NULL, fault = 'the worker was gone before the attempt had ended'
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM jobs WHERE state = 'active' AND lease_until < now()
        ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING state = 'dead', queue, tenant_id, id, kind, unique_key";

const WAITING: &str = "
    SELECT q.queue FROM unnest($1::text[]) AS q (queue)
    WHERE EXISTS (SELECT FROM jobs WHERE jobs.queue = q.queue AND state = 'waiting')";

const CLEAR: &str = "
    DELETE FROM jobs
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM jobs
        WHERE queue = $1 AND state = $4 AND state IN ('completed', 'dead')
          AND finished_at < now() - $2 * interval '1 millisecond'
        LIMIT $3 FOR UPDATE SKIP LOCKED))";

const TELL: &str = "SELECT pg_notify('fairlead_jobs', '')";

impl PgSystemStore {
    /// Runs a statement that ends a claim; returns whether that was still the last one.
    async fn end_claim(
        &self,
        statement: &'static str,
        ticket: &Ticket,
        bind: impl FnOnce(crate::connection::Sql<'_>) -> crate::connection::Sql<'_>,
    ) -> Result<bool, StoreError> {
        let connection = self.cluster().system();
        let sql = connection
            .sql(statement)
            .bind(ticket.owner.as_uuid())
            .bind(ticket.id.as_uuid())
            .bind(ticket.fence);
        let ended = bind(sql).execute().await?;
        connection.commit().await?;
        Ok(ended == 1)
    }
}

#[async_trait]
impl JobStore for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.job_store.claim", skip_all)]
    async fn claim(&self, wanted: &Claim<'_>) -> Result<Claimed, StoreError> {
        claim(self.cluster().system(), wanted).await
    }

    #[tracing::instrument(level = "debug", name = "db.job_store.extend", skip_all)]
    async fn extend(&self, tickets: &[Ticket], lease: Duration) -> Result<Vec<Ticket>, StoreError> {
        let connection = self.cluster().system();
        let rows = connection
            .sql(EXTEND)
            .bind(
                tickets
                    .iter()
                    .map(|ticket| ticket.owner.as_uuid())
                    .collect::<Vec<_>>(),
            )
            .bind(
                tickets
                    .iter()
                    .map(|ticket| ticket.id.as_uuid())
                    .collect::<Vec<_>>(),
            )
            .bind(tickets.iter().map(|ticket| ticket.fence).collect::<Vec<_>>())
            .bind(milliseconds(lease))
            .fetch_all()
            .await?;
        connection.commit().await?;
        let mut held = Vec::with_capacity(rows.len());
        for row in &rows {
            held.push(Ticket {
                owner: JobOwner::from_uuid(row.try_get(0).map_err(SqlError::from)?),
                id: Id::from_uuid(row.try_get::<Uuid>(1).map_err(SqlError::from)?),
                fence: row.try_get(2).map_err(SqlError::from)?,
            });
        }
        let lost = tickets.iter().filter(|ticket| !held.contains(ticket));
        Ok(lost.copied().collect())
    }

    #[tracing::instrument(level = "debug", name = "db.job_store.complete", skip_all)]
    async fn complete(&self, ticket: &Ticket) -> Result<bool, StoreError> {
        self.end_claim(FINISH, ticket, |sql| sql).await
    }

    #[tracing::instrument(level = "debug", name = "db.job_store.fail", skip_all)]
    async fn fail(
        &self,
        ticket: &Ticket,
        fault: &str,
        retry_after: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let retry_after = retry_after.map(milliseconds);
        self.end_claim(FAIL, ticket, |sql| sql.bind(retry_after).bind(fault))
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.job_store.give_back", skip_all)]
    async fn give_back(&self, ticket: &Ticket, after: Duration) -> Result<bool, StoreError> {
        self.end_claim(GIVE_BACK, ticket, |sql| sql.bind(milliseconds(after)))
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.job_store.sweep", skip_all)]
    async fn sweep(&self, queues: &[Queue]) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        let names: Vec<&str> = queues.iter().map(|queue| queue.as_str()).collect();
        // To the end: what is due next may be somebody else's.
        let waiting = loop {
            let connection = self.cluster().system();
            let due = connection.sql(DUE).bind(SWEEP).execute().await?;
            let rescued = connection.sql(RESCUE).bind(SWEEP).fetch_all().await?;
            let is_over = due.max(rescued.len() as u64) < SWEEP.unsigned_abs();
            // Not a transaction more each time that there is nothing.
            let waiting = if is_over {
                connection.sql(WAITING).bind(names.clone()).fetch_all().await?
            } else {
                Vec::new()
            };
            connection.commit().await?;
            swept.due += due;
            for row in &rescued {
                if row.try_get(0).map_err(SqlError::from)? {
                    swept.dead.extend(dead(row).map_err(SqlError::from)?);
                } else {
                    swept.rescued += 1;
                }
            }
            if is_over {
                break waiting;
            }
        };
        for row in &waiting {
            let queue = Queue::parse(row.try_get(0).map_err(SqlError::from)?);
            swept.waiting.extend(queue);
        }
        Ok(swept)
    }

    #[tracing::instrument(level = "debug", name = "db.job_store.clear", skip_all)]
    async fn clear(&self, queue: Queue, finished: Finished, older: Duration) -> Result<u64, StoreError> {
        let state = match finished {
            Finished::Completed => "completed",
            Finished::Dead => "dead",
        };
        let mut all = 0;
        loop {
            let connection = self.cluster().system();
            let cleared = connection
                .sql(CLEAR)
                .bind(queue.as_str())
                .bind(milliseconds(older))
                .bind(BATCH)
                .bind(state)
                .execute()
                .await?;
            connection.commit().await?;
            all += cleared;
            if cleared < BATCH.unsigned_abs() {
                return Ok(all);
            }
        }
    }

    #[tracing::instrument(level = "debug", name = "db.job_store.tell_workers", skip_all)]
    async fn tell_workers(&self) -> Result<(), StoreError> {
        let connection = self.cluster().system();
        connection.sql(TELL).enqueue().await?;
        connection.commit().await?;
        Ok(())
    }

    async fn hear(&self) -> Result<Box<dyn Hearing>, StoreError> {
        Ok(Box::new(PgHearing::open(self.cluster().system_target()).await?))
    }
}

/// One of a queue that this release does not know is left aside.
fn dead(row: &Row) -> Result<Option<DeadJob>, Error> {
    let Some(queue) = Queue::parse(row.try_get(1)?) else {
        return Ok(None);
    };
    Ok(Some(DeadJob {
        owner: JobOwner::from_uuid(row.try_get(2)?),
        id: Id::from_uuid(row.try_get(3)?),
        queue,
        kind: row.try_get(4)?,
        unique_key: row.try_get(5)?,
    }))
}
