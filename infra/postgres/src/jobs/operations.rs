//! Jobs as operators see them.

use std::time::Duration;

use crate::wire::Row;
use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::jobs::{
    DeadGroup, DeadGroups, JobId, JobList, JobOperations, JobOwner, JobRecord, JobState, JobStore as _,
    NewPause, NewStop, Part, Pause, Queue, QueueFigures, Retried, Stop, StopMode, Times, Which,
};
use fairlead_domain::store::StoreError;
use serde_json::value::RawValue;

use super::{dead, pauses};
use crate::error::{SqlError, corrupt, unexpected};
use crate::statement::milliseconds;
use crate::system::PgSystemStore;

const MOST_GROUPS: i64 = 100;

// One pass over an index for each state, for all queues together.
const FIGURES: &str = "
    WITH delayed AS (
        SELECT queue, COUNT(*) AS jobs FROM jobs WHERE state = 'delayed' GROUP BY queue
    ), waiting AS (
        SELECT queue, COUNT(*) AS jobs, EXTRACT(epoch FROM now() - MIN(run_at))::float8 AS oldest
        FROM jobs WHERE state = 'waiting' GROUP BY queue
    ), active AS (
        SELECT queue, COUNT(*) AS jobs FROM jobs WHERE state = 'active' GROUP BY queue
    ), dead AS (
        SELECT queue, COUNT(*) AS jobs,
               COUNT(*) FILTER (WHERE finished_at > now() - $2 * interval '1 millisecond') AS lately
        FROM jobs WHERE state = 'dead' GROUP BY queue
    ), done AS (
        SELECT q.queue, COUNT(*) AS jobs, AVG(wait) AS wait_mean, AVG(run) AS run_mean,
               percentile_cont(0.95) WITHIN GROUP (ORDER BY wait) AS wait_p95,
               percentile_cont(0.95) WITHIN GROUP (ORDER BY run) AS run_p95
        FROM unnest($1::text[]) AS q (queue), LATERAL (
            SELECT EXTRACT(epoch FROM started_at - run_at)::float8 AS wait,
                   EXTRACT(epoch FROM finished_at - started_at)::float8 AS run
            FROM jobs
            WHERE queue = q.queue AND state = 'completed' AND finished_at > now() - $2 * interval '1 millisecond') AS times
        GROUP BY q.queue
    )
    SELECT q.queue, s.mode, s.reason, s.operator, s.since, s.until,
           COALESCE(delayed.jobs, 0), COALESCE(waiting.jobs, 0), waiting.oldest, COALESCE(active.jobs, 0),
           COALESCE(dead.jobs, 0), COALESCE(dead.lately, 0),
           COALESCE(done.jobs, 0), done.wait_mean, done.wait_p95, done.run_mean, done.run_p95
    FROM unnest($1::text[]) AS q (queue)
    LEFT JOIN job_queues AS s ON s.queue = q.queue AND (s.until IS NULL OR s.until > now())
    LEFT JOIN delayed ON delayed.queue = q.queue
    LEFT JOIN waiting ON waiting.queue = q.queue
    LEFT JOIN active ON active.queue = q.queue
    LEFT JOIN dead ON dead.queue = q.queue
    LEFT JOIN done ON done.queue = q.queue
    ORDER BY q.queue";

const STOP: &str = "
    INSERT INTO job_queues (queue, mode, reason, operator, until) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT ON CONSTRAINT job_queues_pkey DO UPDATE
    SET mode = $2, reason = $3, operator = $4, since = now(), until = $5
    RETURNING mode, reason, operator, since, until";

const RESUME: &str = "DELETE FROM job_queues WHERE queue = $1 RETURNING until IS NULL OR until > now()";

// The faults are many kilobytes each at the worst, and there may be any number of them.
const DEAD_GROUPS: &str = "
    SELECT kind, alike, COUNT(*), COUNT(DISTINCT tenant_id), MIN(finished_at), MAX(finished_at),
           (array_agg(id ORDER BY finished_at DESC))[1],
           (SELECT EXISTS (SELECT FROM jobs WHERE queue = $1 AND state = 'dead' OFFSET $3))
    FROM (SELECT kind, tenant_id, id, finished_at,
                 regexp_replace(COALESCE(fault, ''),
                                '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9]+', '#', 'g') AS alike
          FROM (SELECT * FROM jobs WHERE queue = $1 AND state = 'dead' ORDER BY finished_at DESC LIMIT $3) AS newest) AS dead
    GROUP BY kind, alike
    ORDER BY COUNT(*) DESC, MAX(finished_at) DESC, kind, alike
    LIMIT $2";

macro_rules! select {
    () => {
        "SELECT tenant_id, id, queue, kind, unique_key, priority, state, attempts, worker, fault, schedule,
                trace_context, created_at, run_at, started_at, lease_until, finished_at"
    };
}

/// Jobs that are looked at for one page: of a kind or a tenant there may be none among millions.
const MOST_LOOKED_AT: i64 = 20_000;

macro_rules! list {
    ($part:literal) => {
        concat!(
            select!(),
            " FROM (",
            $part,
            ") AS jobs
             WHERE id < COALESCE($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid) AND ($3::text IS NULL OR state = $3)
               AND ($4::text IS NULL OR kind = $4) AND ($5::uuid IS NULL OR tenant_id = $5)
             ORDER BY id DESC
             LIMIT $6"
        )
    };
}

/// The newest of a queue, of which those that are wanted may be few.
const LIST: &str = list!(
    "SELECT * FROM jobs WHERE queue = $1 AND id < COALESCE($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
     ORDER BY id DESC LIMIT $7"
);
const LIST_DEAD: &str = list!(
    "SELECT * FROM jobs
     WHERE queue = $1 AND state = 'dead' AND id < COALESCE($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
     ORDER BY id DESC LIMIT $7"
);
/// Those that are under way or put off may be older than all that is finished, and are found by indexes of their own: the
/// ones are as few as there are places, and the others come in the order in which they become due.
const LIST_ACTIVE: &str = list!("SELECT * FROM jobs WHERE queue = $1 AND state = 'active' LIMIT $7");
const LIST_DELAYED: &str =
    list!("SELECT * FROM jobs WHERE queue = $1 AND state = 'delayed' ORDER BY run_at LIMIT $7 * 50");

const LOOKED_TO: &str = "
    SELECT id FROM jobs WHERE queue = $1 AND id < COALESCE($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
    ORDER BY id DESC OFFSET $3 LIMIT 1";
const LOOKED_TO_DEAD: &str = "
    SELECT id FROM jobs
    WHERE queue = $1 AND state = 'dead' AND id < COALESCE($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
    ORDER BY id DESC OFFSET $3 LIMIT 1";

const FIND: &str = concat!(
    select!(),
    ", payload::text FROM jobs WHERE queue = ANY ($2) AND id = $1 LIMIT 1"
);

const EDIT: &str = "
    UPDATE jobs SET payload = $3::text::jsonb WHERE queue = ANY ($2) AND id = $1 AND state = 'dead'";

#[async_trait]
impl JobOperations for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.job_operations.figures", skip_all)]
    async fn figures(&self, queues: &[Queue], window: Duration) -> Result<Vec<QueueFigures>, StoreError> {
        let connection = self.cluster().system();
        let names: Vec<&str> = queues.iter().map(|queue| queue.as_str()).collect();
        let rows = connection
            .sql(FIGURES)
            .bind(names.clone())
            .bind(milliseconds(window))
            .fetch_all()
            .await?;
        let pauses = pauses::list(&connection, &names).await?;
        connection.commit().await?;
        let mut all: Vec<QueueFigures> = rows.iter().map(figures).collect::<Result<_, _>>()?;
        for (queue, pause) in pauses {
            if let Some(figures) = all.iter_mut().find(|figures| figures.queue.as_str() == queue) {
                figures.pauses.push(pause);
            }
        }
        Ok(all)
    }

    #[tracing::instrument(level = "debug", name = "db.job_operations.stop", skip_all)]
    async fn stop(&self, new: &NewStop) -> Result<Stop, StoreError> {
        let connection = self.cluster().system();
        let row = connection
            .sql(STOP)
            .bind(new.queue.as_str())
            .bind(new.mode.as_str())
            .bind(new.reason.as_str())
            .bind(new.operator.as_str())
            .bind(new.until)
            .fetch_one()
            .await?;
        connection.commit().await?;
        stop(&row, 0)?.ok_or_else(|| unexpected("a queue that was stopped is not"))
    }

    #[tracing::instrument(level = "debug", name = "db.job_operations.resume", skip_all)]
    async fn resume(&self, queue: Queue) -> Result<bool, StoreError> {
        let connection = self.cluster().system();
        let row = connection
            .sql(RESUME)
            .bind(queue.as_str())
            .fetch_optional()
            .await?;
        connection.commit().await?;
        self.tell_workers().await?;
        let was_stopped = row.map(|row| row.try_get(0)).transpose();
        Ok(was_stopped.map_err(SqlError::from)?.unwrap_or(false))
    }

    #[tracing::instrument(level = "debug", name = "db.job_operations.pause_part", skip_all)]
    async fn pause_part(&self, new: &NewPause) -> Result<Pause, StoreError> {
        pauses::pause(self.cluster().system(), new).await
    }

    #[tracing::instrument(level = "debug", name = "db.job_operations.resume_part", skip_all)]
    async fn resume_part(&self, queue: Queue, part: &Part) -> Result<bool, StoreError> {
        let was_paused = pauses::resume(self.cluster().system(), queue, part).await?;
        self.tell_workers().await?;
        Ok(was_paused)
    }

    #[tracing::instrument(level = "debug", name = "db.job_operations.retry_dead", skip_all)]
    async fn retry_dead(&self, queue: Queue, which: &Which) -> Result<Retried, StoreError> {
        dead::retry(self, queue, which).await
    }

    #[tracing::instrument(level = "debug", name = "db.job_operations.dead_groups", skip_all)]
    async fn dead_groups(&self, queue: Queue) -> Result<DeadGroups, StoreError> {
        let connection = self.cluster().system();
        let rows = connection
            .sql(DEAD_GROUPS)
            .bind(queue.as_str())
            .bind(MOST_GROUPS)
            .bind(i64::from(DeadGroups::MOST_JOBS))
            .fetch_all()
            .await?;
        connection.commit().await?;
        let group = |row: &Row| -> Result<DeadGroup, crate::wire::Error> {
            Ok(DeadGroup {
                kind: row.try_get(0)?,
                fault: row.try_get(1)?,
                jobs: count(row, 2)?,
                tenants: count(row, 3)?,
                first_at: row.try_get(4)?,
                last_at: row.try_get(5)?,
                example: Id::from_uuid(row.try_get(6)?),
            })
        };
        let groups = rows.iter().map(group).collect::<Result<_, _>>();
        let are_truncated = rows.first().map(|row| row.try_get(7)).transpose();
        Ok(DeadGroups {
            groups: groups.map_err(SqlError::from)?,
            are_truncated: are_truncated.map_err(SqlError::from)?.unwrap_or(false),
        })
    }

    #[tracing::instrument(level = "debug", name = "db.job_operations.list", skip_all)]
    async fn list(
        &self,
        queue: Queue,
        state: Option<JobState>,
        which: &Which,
        before: Option<JobId>,
        limit: u32,
    ) -> Result<JobList, StoreError> {
        let connection = self.cluster().system();
        let (list, looked_to) = match state {
            None | Some(JobState::Waiting | JobState::Completed) => (LIST, Some(LOOKED_TO)),
            Some(JobState::Dead) => (LIST_DEAD, Some(LOOKED_TO_DEAD)),
            Some(JobState::Active) => (LIST_ACTIVE, None),
            Some(JobState::Delayed) => (LIST_DELAYED, None),
        };
        let before = before.map(Id::as_uuid);
        let rows = connection
            .sql(list)
            .bind(queue.as_str())
            .bind(before)
            .bind(state.map(JobState::as_str))
            .bind(which.kind.as_deref())
            .bind(which.owner.map(JobOwner::as_uuid))
            .bind(i64::from(limit))
            .bind(MOST_LOOKED_AT)
            .fetch_all()
            .await?;
        let mut last = None;
        if let Some(looked_to) = looked_to.filter(|_| rows.len() < limit as usize) {
            last = connection
                .sql(looked_to)
                .bind(queue.as_str())
                .bind(before)
                .bind(MOST_LOOKED_AT - 1)
                .fetch_optional()
                .await?;
        }
        connection.commit().await?;
        let last = last.map(|row| row.try_get(0)).transpose();
        Ok(JobList {
            jobs: rows.iter().map(record).collect::<Result<_, _>>()?,
            looked_to: last.map_err(SqlError::from)?.map(Id::from_uuid),
        })
    }

    #[tracing::instrument(level = "debug", name = "db.job_operations.edit_dead", skip_all)]
    async fn edit_dead(&self, id: JobId, payload: &RawValue) -> Result<bool, StoreError> {
        let connection = self.cluster().system();
        let edited = connection
            .sql(EDIT)
            .bind(id.as_uuid())
            .bind(Queue::ALL.map(Queue::as_str).to_vec())
            .bind(payload.get())
            .execute()
            .await?;
        connection.commit().await?;
        Ok(edited == 1)
    }

    #[tracing::instrument(level = "debug", name = "db.job_operations.find", skip_all)]
    async fn find(&self, id: JobId) -> Result<Option<(JobRecord, Box<RawValue>)>, StoreError> {
        let connection = self.cluster().system();
        let row = connection
            .sql(FIND)
            .bind(id.as_uuid())
            .bind(Queue::ALL.map(Queue::as_str).to_vec())
            .fetch_optional()
            .await?;
        connection.commit().await?;
        let Some(row) = row else { return Ok(None) };
        let payload = RawValue::from_string(row.try_get(17).map_err(SqlError::from)?)
            .map_err(|error| corrupt("jobs", id.as_uuid(), format!("its payload is no JSON: {error}")))?;
        Ok(Some((record(&row)?, payload)))
    }
}

fn count(row: &Row, column: usize) -> Result<u64, crate::wire::Error> {
    Ok(row.try_get::<i64>(column)?.unsigned_abs())
}

fn figures(row: &Row) -> Result<QueueFigures, StoreError> {
    let get = |error| StoreError::from(SqlError::from(error));
    let number = |column| count(row, column).map_err(get);
    let times = |mean: usize, p95: usize| -> Result<Option<Times>, StoreError> {
        let seconds = |column| row.try_get::<Option<f64>>(column).map_err(get);
        let times = seconds(mean)?.zip(seconds(p95)?);
        Ok(times.map(|(mean, p95)| Times {
            mean: duration(mean),
            p95: duration(p95),
        }))
    };
    let queue: String = row.try_get(0).map_err(get)?;
    Ok(QueueFigures {
        queue: known(&queue)?,
        stop: stop(row, 1)?,
        pauses: Vec::new(),
        delayed: number(6)?,
        waiting: number(7)?,
        oldest: row.try_get::<Option<f64>>(8).map_err(get)?.map(duration),
        active: number(9)?,
        dead: number(10)?,
        died: number(11)?,
        completed: number(12)?,
        wait: times(13, 14)?,
        run: times(15, 16)?,
    })
}

/// Reads `mode, reason, operator, since, until`; NULL where the queue runs.
fn stop(row: &Row, first: usize) -> Result<Option<Stop>, StoreError> {
    let get = |error| StoreError::from(SqlError::from(error));
    let Some(mode) = row.try_get::<Option<String>>(first).map_err(get)? else {
        return Ok(None);
    };
    Ok(Some(Stop {
        mode: StopMode::parse(&mode).ok_or_else(|| unexpected(format!("a queue is {mode}")))?,
        reason: row.try_get(first + 1).map_err(get)?,
        operator: row.try_get(first + 2).map_err(get)?,
        since: row.try_get(first + 3).map_err(get)?,
        until: row.try_get(first + 4).map_err(get)?,
    }))
}

fn record(row: &Row) -> Result<JobRecord, StoreError> {
    let get = |error| StoreError::from(SqlError::from(error));
    let id = row.try_get(1).map_err(get)?;
    let (queue, state): (String, String) = (row.try_get(2).map_err(get)?, row.try_get(6).map_err(get)?);
    let attempts: i32 = row.try_get(7).map_err(get)?;
    Ok(JobRecord {
        owner: JobOwner::from_uuid(row.try_get(0).map_err(get)?),
        id: Id::from_uuid(id),
        queue: known(&queue)?,
        kind: row.try_get(3).map_err(get)?,
        unique_key: row.try_get(4).map_err(get)?,
        priority: row.try_get(5).map_err(get)?,
        state: JobState::parse(&state).ok_or_else(|| corrupt("jobs", id, format!("is {state}")))?,
        attempts: attempts.unsigned_abs(),
        worker: row.try_get(8).map_err(get)?,
        fault: row.try_get(9).map_err(get)?,
        schedule: row.try_get(10).map_err(get)?,
        trace_parent: row.try_get(11).map_err(get)?,
        created_at: row.try_get(12).map_err(get)?,
        run_at: row.try_get(13).map_err(get)?,
        started_at: row.try_get(14).map_err(get)?,
        lease_until: row.try_get(15).map_err(get)?,
        finished_at: row.try_get(16).map_err(get)?,
    })
}

fn known(queue: &str) -> Result<Queue, StoreError> {
    Queue::parse(queue).ok_or_else(|| unexpected(format!("the queue {queue} is not known")))
}

/// Negative by a moment where a row was written within the statement's own millisecond.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
