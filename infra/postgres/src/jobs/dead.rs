//! Dead jobs that are retried: as many as can be, whatever happens to some of them meanwhile.

use std::time::{Duration, Instant};

use fairlead_domain::Id;
use fairlead_domain::jobs::{JobId, JobOwner, JobStore as _, LeftDead, Queue, Retried, Which, WhyLeft};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::SqlError;
use crate::system::PgSystemStore;
use crate::wire::{Error, Row};

/// Dead jobs that are retried by one request, which has a deadline, and by a statement, which takes long where the
/// database does not know yet how many there are.
const MOST: u64 = 10_000;
const BATCH: usize = 500;
/// So many times fewer at once where one of them kept the others back.
const FEWER: usize = 4;
const RETRY_FOR: Duration = Duration::from_secs(4);

/// Whoever enqueues one like it, and has not committed, is not waited for any longer: the others have their turn.
const WAIT: &str = "SELECT set_config('lock_timeout', '100ms', true), now()";

// `OFFSET 0` has each dead job looked up by its key: otherwise the planner makes joins of that. And by rows, which only
// `jobs_dead_key` begins with: of other conditions it believes, before it has learnt how many keys there are, that an
// index over all dead jobs of the queue serves as well.
const PICK: &str = "
    SELECT tenant_id, id FROM jobs AS d
    WHERE queue = $1 AND state = 'dead' AND ($2::text IS NULL OR kind = $2)
      AND ($3::uuid IS NULL OR tenant_id = $3) AND ($4::uuid IS NULL OR id = $4) AND id <> ALL ($6)
      AND NOT EXISTS (
          SELECT FROM jobs AS like_it
          WHERE like_it.tenant_id = d.tenant_id AND like_it.queue = d.queue AND like_it.unique_key = d.unique_key
            AND like_it.state IN ('delayed', 'waiting', 'active')
          OFFSET 0)
      AND NOT EXISTS (
          SELECT FROM jobs AS newer
          WHERE (newer.tenant_id, newer.queue, newer.unique_key, newer.id)
                > (d.tenant_id, d.queue, d.unique_key, d.id)
            AND (newer.tenant_id, newer.queue, newer.unique_key) <= (d.tenant_id, d.queue, d.unique_key)
            AND newer.unique_key IS NOT NULL AND newer.state = 'dead'
          OFFSET 0)
    LIMIT $5 FOR UPDATE SKIP LOCKED";

const RETRY: &str = "
    UPDATE jobs AS j
    SET state = 'waiting', attempts = 0, run_at = now(), finished_at = NULL
    FROM unnest($1::uuid[], $2::uuid[]) AS picked (tenant_id, id)
    WHERE j.tenant_id = picked.tenant_id AND j.id = picked.id AND j.state = 'dead'";

// Not what has died since: that was retried.
const LEFT: &str = "
    SELECT d.tenant_id, d.id, d.kind, d.unique_key, live.id
    FROM jobs AS d
    LEFT JOIN LATERAL (
        SELECT like_it.id FROM jobs AS like_it
        WHERE like_it.tenant_id = d.tenant_id AND like_it.queue = d.queue AND like_it.unique_key = d.unique_key
          AND like_it.state IN ('delayed', 'waiting', 'active')
        LIMIT 1) AS live ON TRUE
    WHERE d.queue = $1 AND d.state = 'dead' AND ($2::text IS NULL OR d.kind = $2)
      AND ($3::uuid IS NULL OR d.tenant_id = $3) AND ($4::uuid IS NULL OR d.id = $4) AND d.finished_at <= $5
    ORDER BY d.finished_at DESC
    LIMIT $6";

/// What came of a batch.
enum Batch {
    Retried(usize),
    /// One like some of them was enqueued between the look and the write, or is about to be: the jobs that were meant.
    Clashed(Vec<JobId>),
}

pub(super) async fn retry(store: &PgSystemStore, queue: Queue, which: &Which) -> Result<Retried, StoreError> {
    let mut all = Retried::default();
    let mut began = None;
    // Those that nobody can retry now, whatever they are tried with.
    let mut held: Vec<JobId> = Vec::new();
    let mut most = BATCH;
    let began_at = Instant::now();
    loop {
        let (now, batch) = retry_batch(store, queue, which, most, &held).await?;
        began.get_or_insert(now);
        all.has_more = match batch {
            Batch::Retried(jobs) => {
                all.jobs += jobs as u64;
                let has_more = jobs == most;
                most = BATCH.min(most * FEWER);
                has_more
            }
            // Fewer at a time, until the one is found that keeps the others back.
            Batch::Clashed(jobs) => {
                if let [one] = jobs[..] {
                    held.push(one);
                }
                most = (jobs.len() / FEWER).max(1);
                true
            }
        };
        if !all.has_more || all.jobs >= MOST || began_at.elapsed() > RETRY_FOR {
            break;
        }
    }
    store.tell_workers().await?;
    if let Some(began) = began.filter(|_| !all.has_more) {
        all.left = left(store, queue, which, began).await?;
        all.has_more_left = all.left.len() > Retried::MOST_LEFT;
        all.left.truncate(Retried::MOST_LEFT);
    }
    Ok(all)
}

/// Returns when it began, too.
async fn retry_batch(
    store: &PgSystemStore,
    queue: Queue,
    which: &Which,
    most: usize,
    held: &[JobId],
) -> Result<(OffsetDateTime, Batch), StoreError> {
    let connection = store.cluster().system();
    let now = connection.sql(WAIT).fetch_one().await?;
    let now = now.try_get(1).map_err(SqlError::from)?;
    let picked = connection
        .sql(PICK)
        .bind(queue.as_str())
        .bind(which.kind.as_deref())
        .bind(which.owner.map(JobOwner::as_uuid))
        .bind(which.id.map(Id::as_uuid))
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .bind(held.iter().map(|job| job.as_uuid()).collect::<Vec<Uuid>>())
        .fetch_all()
        .await?;
    let ids = |column| -> Result<Vec<Uuid>, Error> { picked.iter().map(|row| row.try_get(column)).collect() };
    let (owners, jobs) = (ids(0).map_err(SqlError::from)?, ids(1).map_err(SqlError::from)?);
    let retried = connection
        .sql(RETRY)
        .bind(owners)
        .bind(jobs.clone())
        .execute()
        .await
        .map_err(meanwhile);
    match retried {
        Ok(_) => {
            connection.commit().await?;
            Ok((now, Batch::Retried(jobs.len())))
        }
        Err(StoreError::Contended) => {
            let jobs = jobs.into_iter().map(Id::from_uuid).collect();
            Ok((now, Batch::Clashed(jobs)))
        }
        Err(error) => Err(error),
    }
}

fn meanwhile(error: SqlError) -> StoreError {
    match error.constraint() {
        Some("jobs_unique_key") => StoreError::Contended,
        _ => error.into(),
    }
}

/// Those that were dead before `began` and still are; one more than is told.
async fn left(
    store: &PgSystemStore,
    queue: Queue,
    which: &Which,
    began: OffsetDateTime,
) -> Result<Vec<LeftDead>, StoreError> {
    let connection = store.cluster().system();
    let rows = connection
        .sql(LEFT)
        .bind(queue.as_str())
        .bind(which.kind.as_deref())
        .bind(which.owner.map(JobOwner::as_uuid))
        .bind(which.id.map(Id::as_uuid))
        .bind(began)
        .bind(i64::try_from(Retried::MOST_LEFT + 1).unwrap_or(i64::MAX))
        .fetch_all()
        .await?;
    connection.commit().await?;
    let one = |row: &Row| -> Result<LeftDead, Error> {
        let like_it: Option<Uuid> = row.try_get(4)?;
        Ok(LeftDead {
            owner: JobOwner::from_uuid(row.try_get(0)?),
            id: Id::from_uuid(row.try_get(1)?),
            kind: row.try_get(2)?,
            unique_key: row.try_get(3)?,
            why: like_it.map_or(WhyLeft::Held, |id| WhyLeft::LikeIt(Id::from_uuid(id))),
        })
    };
    let left: Result<Vec<LeftDead>, Error> = rows.iter().map(one).collect();
    Ok(left.map_err(SqlError::from)?)
}
