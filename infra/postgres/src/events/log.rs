//! The log of all tenants, for the platform's own readers.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use crate::wire::{Error, Row};
use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::events::{Backlog, EventCursor, EventLog, Holder, Leadership, Stretch, Written};
use fairlead_domain::store::StoreError;

use super::leadership::PgLeadership;
use super::word::TELL;
use super::{cursor, event};
use crate::error::{SqlError, unexpected};
use crate::health::is_log_ahead;
use crate::statement::Xid;
use crate::system::PgSystemStore;

// `GREATEST(xid, xid)` is what the index is over; see its migration. `xmin` is the transaction that wrote the row.
//
// It keeps its plan, which reads the index in its order and ends with the limit. Planned for the values of the moment it
// cost more to plan than to run, and looked up all there is behind them, to sort it: 3.1 ms in place of 1.0 ms for the
// first 500 of a thousand events, and the more the longer the backlog.
const READ: &str = "
    SELECT tenant_id, xid, position, id, type, version, aggregate_type, aggregate_id, source, actor, data::text,
           trace_context, occurred_at, xmin::text::bigint
    FROM events
    WHERE (GREATEST(xid, xid), position) > ($1, $2)
      AND GREATEST(xid, xid) < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY GREATEST(xid, xid), position
    LIMIT $3";

// Whatever is behind the last one that was read: it could not be read then, though by now it may be. EXISTS would be
// planned for one of many, and read the whole log where there is none; what has an order is read by its index.
const IS_MORE: &str = "
    SELECT (SELECT TRUE FROM events
            WHERE (GREATEST(xid, xid), position) > ($1, $2)
            ORDER BY GREATEST(xid, xid), position
            LIMIT 1) IS NOT NULL,
           pg_snapshot_xmin(now) = pg_snapshot_xmax(now), $1 >= pg_snapshot_xmax(now)
    FROM pg_current_snapshot() AS now";

const END: &str = "
    SELECT xid, position
    FROM events
    WHERE GREATEST(xid, xid) < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY GREATEST(xid, xid) DESC, position DESC
    LIMIT 1";

const PLACE: &str = "
    INSERT INTO event_readers AS known (reader, xid, position, moved_at) VALUES ($1, '0', 0, $2)
    ON CONFLICT ON CONSTRAINT event_readers_pkey DO UPDATE SET moved_at = known.moved_at
    RETURNING xid, position";

const ADVANCE: &str = "
    UPDATE event_readers SET xid = $4, position = $5, moved_at = $6
    WHERE reader = $1 AND xid = $2 AND position = $3";

const BACKLOGS: &str = "
    SELECT r.reader, r.xid, r.position, b.events, b.oldest
    FROM event_readers AS r, LATERAL (
        SELECT COUNT(*) AS events, EXTRACT(epoch FROM now() - MIN(occurred_at))::float8 AS oldest
        FROM (SELECT occurred_at FROM events
              WHERE (GREATEST(xid, xid), position) > (r.xid, r.position)
              ORDER BY GREATEST(xid, xid), position
              LIMIT $1) AS behind) AS b
    ORDER BY r.reader";

const HOLDER: &str = "
    SELECT pid, application_name, EXTRACT(epoch FROM now() - xact_start)::float8
    FROM pg_stat_activity
    WHERE backend_xid IS NOT NULL AND xact_start < now() - interval '5 seconds'
    ORDER BY xact_start
    LIMIT 1";

#[async_trait]
impl EventLog for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.event_log.read", skip_all)]
    async fn read(&self, after: EventCursor, limit: u32) -> Result<Stretch, StoreError> {
        let asked = Instant::now();
        let connection = self.cluster().system();
        let rows = connection
            .sql(READ)
            .bind(Xid(after.xid))
            .bind(after.position)
            .bind(i64::from(limit))
            .keeping_plan()
            .fetch_all()
            .await?;
        let mut events = Vec::with_capacity(rows.len());
        let mut transactions = Vec::with_capacity(rows.len());
        for row in &rows {
            let tenant = row.try_get(0).map_err(SqlError::from)?;
            events.push(event(row, 1, Id::from_uuid(tenant))?);
            let transaction: i64 = row.try_get(13).map_err(SqlError::from)?;
            transactions
                .push(u32::try_from(transaction).map_err(|_| unexpected("a transaction id beyond 32 bits"))?);
        }
        let is_full = events.len() >= limit as usize;
        let (is_held, is_quiet, is_ahead) = if is_full {
            (false, false, false)
        } else {
            let last = events.last().map_or(after, |event| event.cursor);
            let row = connection
                .sql(IS_MORE)
                .bind(Xid(last.xid))
                .bind(last.position)
                .fetch_one()
                .await?;
            let get = |column| row.try_get(column).map_err(SqlError::from);
            (get(0)?, get(1)?, get(2)?)
        };
        let as_of = connection.commit().await?;
        Ok(Stretch {
            asked,
            events,
            transactions,
            is_full,
            is_held,
            is_quiet,
            is_ahead,
            as_of,
        })
    }

    fn written(&self) -> Option<Written> {
        self.cluster().written()
    }

    #[tracing::instrument(level = "debug", name = "db.event_log.end", skip_all)]
    async fn end(&self) -> Result<EventCursor, StoreError> {
        let connection = self.cluster().system();
        let row = connection.sql(END).fetch_optional().await?;
        connection.commit().await?;
        let end = row.as_ref().map(|row| cursor(row, 0)).transpose();
        Ok(end.map_err(SqlError::from)?.unwrap_or(EventCursor::START))
    }

    #[tracing::instrument(level = "debug", name = "db.event_log.place", skip_all)]
    async fn place(&self, reader: &str) -> Result<EventCursor, StoreError> {
        let connection = self.cluster().system();
        let now = self.now();
        let row = connection.sql(PLACE).bind(reader).bind(now).fetch_one().await?;
        connection.commit().await?;
        Ok(cursor(&row, 0).map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.event_log.advance", skip_all)]
    async fn advance(&self, reader: &str, from: EventCursor, to: EventCursor) -> Result<bool, StoreError> {
        let connection = self.cluster().system();
        let moved = connection
            .sql(ADVANCE)
            .bind(reader)
            .bind(Xid(from.xid))
            .bind(from.position)
            .bind(Xid(to.xid))
            .bind(to.position)
            .bind(self.now())
            .execute()
            .await?;
        connection.commit().await?;
        Ok(moved == 1)
    }

    #[tracing::instrument(level = "debug", name = "db.event_log.backlogs", skip_all)]
    async fn backlogs(&self) -> Result<Vec<Backlog>, StoreError> {
        let connection = self.cluster().system();
        let most = i64::try_from(Backlog::COUNTED).unwrap_or(i64::MAX);
        let rows = connection.sql(BACKLOGS).bind(most).fetch_all().await?;
        let mut backlogs = rows
            .iter()
            .map(backlog)
            .collect::<Result<Vec<_>, Error>>()
            .map_err(SqlError::from)?;
        if backlogs.iter().any(|backlog| backlog.events > 0) {
            let row = connection.sql(HOLDER).fetch_optional().await?;
            let holder = row.as_ref().map(holder).transpose().map_err(SqlError::from)?;
            for backlog in backlogs.iter_mut().filter(|backlog| backlog.events > 0) {
                backlog.holder.clone_from(&holder);
            }
        }
        connection.commit().await?;
        Ok(backlogs)
    }

    #[tracing::instrument(level = "debug", name = "db.event_log.is_ahead", skip_all)]
    async fn is_ahead(&self) -> Result<bool, StoreError> {
        is_log_ahead(self).await
    }

    async fn lead(&self, told: &(dyn Fn() + Send + Sync)) -> Result<Box<dyn Leadership>, StoreError> {
        let leadership = PgLeadership::wait(self.cluster().system_target(), self.process(), told).await?;
        Ok(Box::new(leadership))
    }

    async fn hear(&self, told: &(dyn Fn() + Send + Sync)) -> Result<Infallible, StoreError> {
        PgLeadership::hear(self.cluster().system_target(), self.process(), told).await
    }

    #[tracing::instrument(level = "debug", name = "db.event_log.tell_others", skip_all)]
    async fn tell_others(&self) -> Result<(), StoreError> {
        let connection = self.cluster().system();
        connection.sql(TELL).bind(self.process().name()).enqueue().await?;
        connection.commit().await?;
        Ok(())
    }
}

fn backlog(row: &Row) -> Result<Backlog, Error> {
    let events: i64 = row.try_get(3)?;
    let oldest: Option<f64> = row.try_get(4)?;
    Ok(Backlog {
        reader: row.try_get(0)?,
        place: cursor(row, 1)?,
        events: u64::try_from(events).unwrap_or_default(),
        // Negative where the clocks of our processes are ahead of the database's.
        oldest: oldest.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()),
        holder: None,
    })
}

fn holder(row: &Row) -> Result<Holder, Error> {
    let seconds: f64 = row.try_get(2)?;
    Ok(Holder {
        pid: row.try_get(0)?,
        application: row.try_get::<Option<String>>(1)?.unwrap_or_default(),
        open_for: Duration::try_from_secs_f64(seconds).unwrap_or_default(),
    })
}
