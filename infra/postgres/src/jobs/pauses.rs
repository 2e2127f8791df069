//! Parts of queues that operators have paused.

use crate::wire::{Error, Row};
use fairlead_domain::jobs::{JobOwner, NewPause, Part, Pause, Queue};
use fairlead_domain::store::StoreError;
use uuid::Uuid;

use crate::connection::Connection;
use crate::error::{SqlError, unexpected};

const PAUSE: &str = "
    INSERT INTO job_pauses (queue, kind, of_tenant, reason, operator, until) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT ON CONSTRAINT job_pauses_part DO UPDATE SET reason = $4, operator = $5, since = now(), until = $6
    RETURNING queue, kind, of_tenant, reason, operator, since, until";

const RESUME: &str = "
    DELETE FROM job_pauses
    WHERE queue = $1 AND kind IS NOT DISTINCT FROM $2 AND of_tenant IS NOT DISTINCT FROM $3
    RETURNING until IS NULL OR until > now()";

const LIST: &str = "
    SELECT queue, kind, of_tenant, reason, operator, since, until
    FROM job_pauses
    WHERE queue = ANY ($1) AND (until IS NULL OR until > now())
    ORDER BY since, kind, of_tenant";

pub(super) async fn pause(connection: Connection, new: &NewPause) -> Result<Pause, StoreError> {
    let row = connection
        .sql(PAUSE)
        .bind(new.queue.as_str())
        .bind(new.part.kind())
        .bind(new.part.owner().map(JobOwner::as_uuid))
        .bind(new.reason.as_str())
        .bind(new.operator.as_str())
        .bind(new.until)
        .fetch_one()
        .await?;
    connection.commit().await?;
    let (_, pause) = read(&row)?;
    Ok(pause)
}

pub(super) async fn resume(connection: Connection, queue: Queue, part: &Part) -> Result<bool, StoreError> {
    let row = connection
        .sql(RESUME)
        .bind(queue.as_str())
        .bind(part.kind())
        .bind(part.owner().map(JobOwner::as_uuid))
        .fetch_optional()
        .await?;
    connection.commit().await?;
    let was_paused = row.map(|row| row.try_get(0)).transpose();
    Ok(was_paused.map_err(SqlError::from)?.unwrap_or(false))
}

/// Each with its queue.
pub(super) async fn list(
    connection: &Connection,
    queues: &[&str],
) -> Result<Vec<(String, Pause)>, StoreError> {
    let rows = connection.sql(LIST).bind(queues.to_vec()).fetch_all().await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<(String, Pause), StoreError> {
    let columns = || -> Result<_, Error> {
        let owner: Option<Uuid> = row.try_get(2)?;
        let part = Part::new(row.try_get(1)?, owner.map(JobOwner::from_uuid));
        let (reason, operator) = (row.try_get(3)?, row.try_get(4)?);
        Ok((
            row.try_get(0)?,
            part,
            reason,
            operator,
            row.try_get(5)?,
            row.try_get(6)?,
        ))
    };
    let (queue, part, reason, operator, since, until) = columns().map_err(SqlError::from)?;
    let pause = Pause {
        part: part.ok_or_else(|| unexpected("a pause of no part of a queue"))?,
        reason,
        operator,
        since,
        until,
    };
    Ok((queue, pause))
}
