//! Whose job is next.
//!
//! Tenants take turns, in the order of their ids: a claim goes on behind the tenant that had the last turn, looks up as
//! many tenants with waiting jobs as it may claim jobs, each by one step in the index, and takes its share of each. So
//! it reads as much as it claims, however many jobs wait, and whose they are. Of those that stand aside, which their
//! priority tells, it takes no more than there is room for.

use std::time::Duration;

use crate::wire::{Error, Row};
use fairlead_domain::Id;
use fairlead_domain::jobs::{Claim, Claimed, Job, JobOwner, NewJob, Queue, Ticket};
use fairlead_domain::store::StoreError;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::connection::Connection;
use crate::error::{SqlError, corrupt, unexpected};
use crate::statement::milliseconds;

// `GREATEST(tenant_id, tenant_id)` is what the index is over; see its migration. A CTE that is read up to a LIMIT
// recurses no further than that. What is locked by another claim is passed over.
//
// `ctid` leaves the planner no choice but to go where the rows are; it is that of the version that was locked.
const CLAIM: &str = "
    WITH RECURSIVE gate AS (
        SELECT COALESCE((SELECT CASE mode WHEN 'draining' THEN since ELSE '-infinity' END FROM job_queues
                         WHERE queue = $1 AND (until IS NULL OR until > now())), 'infinity') AS due_by
    ), pauses AS MATERIALIZED (
        SELECT kind, of_tenant FROM job_pauses WHERE queue = $1 AND (until IS NULL OR until > now())
    ), ahead AS (
        (SELECT GREATEST(tenant_id, tenant_id) AS tenant FROM jobs
         WHERE queue = $1 AND state = 'waiting' AND GREATEST(tenant_id, tenant_id) > $2
         ORDER BY GREATEST(tenant_id, tenant_id) LIMIT 1)
        UNION ALL
        SELECT (SELECT GREATEST(tenant_id, tenant_id) FROM jobs
                WHERE queue = $1 AND state = 'waiting' AND GREATEST(tenant_id, tenant_id) > ahead.tenant
                ORDER BY GREATEST(tenant_id, tenant_id) LIMIT 1)
        FROM ahead WHERE ahead.tenant IS NOT NULL
    ), behind AS (
        (SELECT GREATEST(tenant_id, tenant_id) AS tenant FROM jobs
         WHERE queue = $1 AND state = 'waiting' AND GREATEST(tenant_id, tenant_id) <= $2
         ORDER BY GREATEST(tenant_id, tenant_id) LIMIT 1)
        UNION ALL
        SELECT (SELECT GREATEST(tenant_id, tenant_id) FROM jobs
                WHERE queue = $1 AND state = 'waiting' AND GREATEST(tenant_id, tenant_id) > behind.tenant
                  AND GREATEST(tenant_id, tenant_id) <= $2
                ORDER BY GREATEST(tenant_id, tenant_id) LIMIT 1)
        FROM behind WHERE behind.tenant IS NOT NULL
    ), found AS (
        SELECT tenant FROM (SELECT tenant FROM ahead UNION ALL SELECT tenant FROM behind) AS tenants
        WHERE tenant IS NOT NULL
        LIMIT $3 + cardinality($4::uuid[])
    ), turns AS (
        SELECT tenant, room,
               GREATEST(LEAST($12 - (SELECT COUNT(*) FROM unnest($11::uuid[]) AS held WHERE held = tenant), $13), 0)
                   AS room_aside,
               ARRAY(SELECT kind FROM pauses
                     WHERE kind IS NOT NULL AND (of_tenant IS NULL OR of_tenant = tenant)) AS paused
        FROM (SELECT tenant,
                     CASE WHEN tenant = '00000000-0000-0000-0000-000000000000' THEN $3
                     ELSE $5 - (SELECT COUNT(*) FROM unnest($4::uuid[]) AS held WHERE held = tenant) END AS room
              FROM found) AS rooms
        WHERE room > 0 AND NOT EXISTS (SELECT FROM pauses WHERE kind IS NULL AND of_tenant = tenant)
        ORDER BY tenant <= $2, tenant
        LIMIT $3
    ), picked AS MATERIALIZED (
        SELECT place, is_aside
        FROM (SELECT *, LEAST(room, ($3 + (SELECT COUNT(*) FROM turns) - 1) / (SELECT COUNT(*) FROM turns)) AS share
              FROM turns) AS turns, LATERAL (
            SELECT place, FALSE AS is_aside FROM (
                SELECT ctid AS place FROM jobs
                WHERE queue = $1 AND state = 'waiting' AND GREATEST(tenant_id, tenant_id) = turns.tenant
                  AND priority < $14 AND run_at <= (SELECT due_by FROM gate) AND kind <> ALL (turns.paused)
                ORDER BY priority, run_at, id
                LIMIT turns.share
                FOR UPDATE SKIP LOCKED) AS usual
            UNION ALL
            SELECT place, TRUE FROM (
                SELECT ctid AS place FROM jobs
                WHERE queue = $1 AND state = 'waiting' AND GREATEST(tenant_id, tenant_id) = turns.tenant
                  AND priority >= $14 AND run_at <= (SELECT due_by FROM gate) AND kind <> ALL (turns.paused)
                ORDER BY priority, run_at, id
                LIMIT LEAST(turns.share, turns.room_aside)
                FOR UPDATE SKIP LOCKED) AS aside
            LIMIT turns.share) AS next
        LIMIT $3
    ), chosen AS (
        SELECT place
        FROM (SELECT place, is_aside, row_number() OVER (PARTITION BY is_aside) AS number FROM picked) AS numbered
        WHERE NOT is_aside OR number <= $13
    ), claimed AS (
        UPDATE jobs
        SET state = 'active', attempts = attempts + 1, fence = fence + 1, worker = $6, started_at = now(),
            lease_until = now() + $7 * interval '1 millisecond',
            max_attempts = COALESCE((SELECT other.attempts FROM unnest($9::text[], $10::int[]) AS other (kind, attempts)
                                     WHERE other.kind = jobs.kind), $8)
        WHERE ctid = ANY (ARRAY(SELECT place FROM chosen))
        RETURNING tenant_id, id, fence, queue, kind, payload::text, attempts, max_attempts, trace_context,
                  unique_key, (EXTRACT(EPOCH FROM now() - run_at) * 1000000)::bigint AS waited, priority >= $14 AS is_aside
    )
    SELECT claimed.*, turned.tenants, looked.tenants,
           CASE WHEN turned.tenants < $3 THEN looked.last ELSE turned.last END
    FROM (SELECT COUNT(*) AS tenants, (array_agg(tenant ORDER BY tenant <= $2 DESC, tenant DESC))[1] AS last
          FROM turns) AS turned
    CROSS JOIN (SELECT COUNT(*) AS tenants, (array_agg(tenant ORDER BY tenant <= $2 DESC, tenant DESC))[1] AS last
                FROM found) AS looked
    LEFT JOIN claimed ON true";

pub(super) async fn claim(connection: Connection, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
    let owners = |owners: &[JobOwner]| -> Vec<Uuid> { owners.iter().map(|owner| owner.as_uuid()).collect() };
    let (kinds, attempts): (Vec<&str>, Vec<i32>) = claim
        .attempts_of
        .iter()
        .map(|(kind, attempts)| (*kind, number(*attempts)))
        .unzip();
    let room_aside = claim.most_aside.saturating_sub(claim.aside_in_hand.len());
    let rows = connection
        .sql(CLAIM)
        .bind(claim.queue.as_str())
        .bind(claim.after.as_uuid())
        .bind(i64::try_from(claim.most).unwrap_or(i64::MAX))
        .bind(owners(claim.in_hand))
        .bind(i64::try_from(claim.most_of_tenant).unwrap_or(i64::MAX))
        .bind(claim.worker)
        .bind(milliseconds(claim.lease))
        .bind(number(claim.attempts))
        .bind(kinds)
        .bind(attempts)
        .bind(owners(claim.aside_in_hand))
        .bind(i64::try_from(claim.most_aside_of_tenant).unwrap_or(i64::MAX))
        .bind(i64::try_from(room_aside).unwrap_or(i64::MAX))
        .bind(NewJob::ASIDE)
        .fetch_all()
        .await?;
    connection.commit().await?;
    let looked = || -> Result<(i64, i64, Option<Uuid>), Error> {
        match rows.first() {
            Some(row) => Ok((row.try_get(12)?, row.try_get(13)?, row.try_get(14)?)),
            None => Ok((0, 0, None)),
        }
    };
    let (turns, looked_at, last) = looked().map_err(SqlError::from)?;
    let count = |tenants: i64| usize::try_from(tenants).unwrap_or(usize::MAX);
    let mut jobs = Vec::with_capacity(rows.len());
    for row in &rows {
        // Where nothing was claimed there is one row, without a job.
        if row.try_get::<Option<Uuid>>(1).map_err(SqlError::from)?.is_some() {
            jobs.push(job(row)?);
        }
    }
    // Rows are returned as they lie; turns are taken behind the last one, and around.
    jobs.sort_unstable_by_key(|job: &Job| (job.owner() <= claim.after, job.owner(), job.ticket.id));
    Ok(Claimed {
        jobs,
        turns: count(turns),
        looked_at: count(looked_at),
        is_round: count(looked_at) < claim.most + claim.in_hand.len(),
        last: last.map_or(claim.after, JobOwner::from_uuid),
    })
}

fn job(row: &Row) -> Result<Job, StoreError> {
    let columns = || -> Result<_, Error> {
        let ticket = Ticket {
            owner: JobOwner::from_uuid(row.try_get(0)?),
            id: Id::from_uuid(row.try_get(1)?),
            fence: row.try_get(2)?,
        };
        let (queue, kind, payload): (String, String, String) =
            (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
        let (attempt, max_attempts): (i32, i32) = (row.try_get(6)?, row.try_get(7)?);
        let (trace_parent, unique_key) = (row.try_get(8)?, row.try_get(9)?);
        let (waited_micros, is_aside): (i64, bool) = (row.try_get(10)?, row.try_get(11)?);
        Ok((
            ticket,
            queue,
            kind,
            payload,
            attempt,
            max_attempts,
            trace_parent,
            unique_key,
            waited_micros,
            is_aside,
        ))
    };
    let (
        ticket,
        queue,
        kind,
        payload,
        attempt,
        max_attempts,
        trace_parent,
        unique_key,
        waited_micros,
        is_aside,
    ) = columns().map_err(SqlError::from)?;
    let payload = RawValue::from_string(payload).map_err(|error| {
        corrupt(
            "jobs",
            ticket.id.as_uuid(),
            format!("its payload is no JSON: {error}"),
        )
    })?;
    Ok(Job {
        queue: Queue::parse(&queue)
            .ok_or_else(|| unexpected(format!("a job of the unknown queue {queue}")))?,
        ticket,
        kind,
        payload,
        unique_key,
        waited: Duration::from_micros(u64::try_from(waited_micros).unwrap_or_default()),
        attempt: u32::try_from(attempt).unwrap_or_default(),
        max_attempts: u32::try_from(max_attempts).unwrap_or_default(),
        is_aside,
        trace_parent,
    })
}

fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
