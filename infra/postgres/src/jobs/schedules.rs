use crate::wire::Row;
use async_trait::async_trait;
use fairlead_domain::jobs::{Due, Missed, Overlap, Queue, Schedule, Schedules, Timing};
use fairlead_domain::store::StoreError;
use serde_json::value::RawValue;

use crate::connection::Sql;
use crate::error::{SqlError, unexpected};
use crate::system::PgSystemStore;

macro_rules! columns {
    () => {
        "name, queue, kind, payload::text, cron, time_zone, missed, overlap, created_by, next_at, last_at"
    };
}

const ENSURE: &str = "
    INSERT INTO job_schedules AS known (name, queue, kind, payload, cron, time_zone, missed, overlap, created_by, next_at)
    VALUES ($1, $2, $3, $4::text::jsonb, $5, $6, $7, $8, 'system', now())
    ON CONFLICT ON CONSTRAINT job_schedules_pkey DO UPDATE
    SET queue = $2, kind = $3, payload = $4::text::jsonb, cron = $5, time_zone = $6, missed = $7, overlap = $8,
        next_at = CASE WHEN (known.cron, known.time_zone) = ($5, $6) THEN known.next_at ELSE now() END
    WHERE known.created_by = 'system'";

const PUT: &str = "
    INSERT INTO job_schedules (name, queue, kind, payload, cron, time_zone, missed, overlap, created_by, next_at)
    VALUES ($1, $2, $3, $4::text::jsonb, $5, $6, $7, $8, $9, $10)
    ON CONFLICT ON CONSTRAINT job_schedules_pkey DO UPDATE
    SET queue = $2, kind = $3, payload = $4::text::jsonb, cron = $5, time_zone = $6, missed = $7, overlap = $8,
        created_by = $9, next_at = $10
    RETURNING last_at";

const DUE: &str = concat!(
    "SELECT ",
    columns!(),
    ", now() FROM job_schedules WHERE next_at <= now() ORDER BY next_at"
);

const LIST: &str = concat!("SELECT ", columns!(), " FROM job_schedules ORDER BY name");

const DELETE: &str = "DELETE FROM job_schedules WHERE name = $1";

// Of those who fire at once one moves the schedule. A job is left out where the schedule's last one is not finished, by
// its unique key, and where there is one for the same moment.
const FIRE: &str = "
    WITH moved AS (
        UPDATE job_schedules SET next_at = $3, last_at = CASE WHEN $4 THEN $2 ELSE last_at END
        WHERE name = $1 AND next_at = $2
        RETURNING name, queue, kind, payload, overlap
    ), fired AS (
        INSERT INTO jobs (tenant_id, id, queue, kind, payload, unique_key, priority, state, schedule, fire_at)
        SELECT '00000000-0000-0000-0000-000000000000', $5, queue, kind, payload,
               CASE overlap WHEN 'skip' THEN 'schedule ' || name END, $6, 'waiting', name, $2
        FROM moved WHERE $4
        ON CONFLICT DO NOTHING
    )
    SELECT EXISTS (SELECT FROM moved)";

#[async_trait]
impl Schedules for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.job_schedules.ensure", skip_all)]
    async fn ensure(&self, schedules: &[Schedule]) -> Result<(), StoreError> {
        let connection = self.cluster().system();
        for schedule in schedules {
            bind(connection.sql(ENSURE), schedule).enqueue().await?;
        }
        connection.commit().await?;
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.job_schedules.due", skip_all)]
    async fn due(&self) -> Result<Vec<Due>, StoreError> {
        let connection = self.cluster().system();
        let rows = connection.sql(DUE).fetch_all().await?;
        connection.commit().await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(schedule) = known(row) else { continue };
            due.push(Due {
                schedule,
                now: row.try_get(11).map_err(SqlError::from)?,
            });
        }
        Ok(due)
    }

    #[tracing::instrument(level = "debug", name = "db.job_schedules.fire", skip_all)]
    async fn fire(&self, due: &Due, next: time::OffsetDateTime) -> Result<bool, StoreError> {
        let connection = self.cluster().system();
        let row = connection
            .sql(FIRE)
            .bind(due.schedule.name.as_str())
            .bind(due.schedule.next_at)
            .bind(next)
            .bind(due.fires())
            .bind(self.next_id())
            .bind(self.priority_of(due.schedule.queue))
            .fetch_one()
            .await?;
        connection.commit().await?;
        Ok(row.try_get(0).map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.job_schedules.list", skip_all)]
    async fn list(&self) -> Result<Vec<Schedule>, StoreError> {
        let connection = self.cluster().system();
        let rows = connection.sql(LIST).fetch_all().await?;
        connection.commit().await?;
        Ok(rows.iter().filter_map(known).collect())
    }

    #[tracing::instrument(level = "debug", name = "db.job_schedules.put", skip_all)]
    async fn put(&self, schedule: &Schedule) -> Result<Option<time::OffsetDateTime>, StoreError> {
        let connection = self.cluster().system();
        let row = bind(connection.sql(PUT), schedule)
            .bind(schedule.created_by.as_str())
            .bind(schedule.next_at)
            .fetch_one()
            .await?;
        connection.commit().await?;
        Ok(row.try_get(0).map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.job_schedules.delete", skip_all)]
    async fn delete(&self, name: &str) -> Result<bool, StoreError> {
        let connection = self.cluster().system();
        let deleted = connection.sql(DELETE).bind(name).execute().await?;
        connection.commit().await?;
        Ok(deleted == 1)
    }
}

/// From `$1`, what operators say of a schedule.
fn bind<'s>(sql: Sql<'s>, schedule: &Schedule) -> Sql<'s> {
    sql.bind(schedule.name.as_str())
        .bind(schedule.queue.as_str())
        .bind(schedule.kind.as_str())
        .bind(schedule.payload.get())
        .bind(schedule.timing.cron.as_str())
        .bind(schedule.timing.time_zone.as_str())
        .bind(schedule.missed.as_str())
        .bind(schedule.overlap.as_str())
}

/// One that this release cannot read, as a newer one may have made it, does not keep the others from firing.
fn known(row: &Row) -> Option<Schedule> {
    let schedule = schedule(row);
    if let Err(error) = &schedule {
        let error: &dyn std::error::Error = error;
        tracing::error!(error, "a schedule is left alone");
    }
    schedule.ok()
}

fn schedule(row: &Row) -> Result<Schedule, StoreError> {
    let get = |error| StoreError::from(SqlError::from(error));
    let word = |column: usize| row.try_get::<String>(column).map_err(get);
    let name = word(0)?;
    let broken = |what: &str| unexpected(format!("the schedule {name} has no good {what}"));
    Ok(Schedule {
        queue: Queue::parse(&word(1)?).ok_or_else(|| broken("queue"))?,
        kind: word(2)?,
        payload: RawValue::from_string(word(3)?).map_err(|_| broken("payload"))?,
        timing: Timing {
            cron: word(4)?,
            time_zone: word(5)?,
        },
        missed: Missed::parse(&word(6)?).ok_or_else(|| broken("policy for missed moments"))?,
        overlap: Overlap::parse(&word(7)?).ok_or_else(|| broken("policy for overlaps"))?,
        created_by: word(8)?,
        next_at: row.try_get(9).map_err(get)?,
        last_at: row.try_get(10).map_err(get)?,
        name,
    })
}
