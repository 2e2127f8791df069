//! Drops the events of months that are long over, once everybody has done them, and they are archived where that is wanted.

use std::time::Duration as Pause;

use fairlead_domain::events::{EventArchive, HANDLE_EVENT};
use fairlead_domain::jobs::Queue;
use fairlead_domain::store::StoreError;
use fairlead_domain::webhooks::DispatchEvents;
use time::{Date, Duration, OffsetDateTime};
use tokio::time::sleep;

use super::archive::{self, Archived};
use crate::connection::Connection;
use crate::error::SqlError;
use crate::statement::Xid;
use crate::system::PgSystemStore;

/// The months that are over by `$1` and have a partition, the oldest first.
const OLD_MONTHS: &str = "
    SELECT m.month
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid AND c.relname ~ '^events_[0-9]{4}_[0-9]{2}$',
    LATERAL (SELECT to_date(right(c.relname, 7), 'YYYY_MM') AS month) AS m
    WHERE i.inhparent = 'public.events'::regclass
      AND (m.month + interval '1 month') AT TIME ZONE 'UTC' <= $1
    ORDER BY m.month";

/// Whether there are events in no month that are from before the month of `$1`: of each tenant a step in an index.
const ARE_ASTRAY: &str = "
    SELECT EXISTS (
        SELECT FROM tenants AS t, LATERAL (
            SELECT FROM events_default AS e
            WHERE e.tenant_id = t.id AND e.id < uuid_v7_floor(date_trunc('month', $1::timestamptz, 'UTC'))
            LIMIT 1) AS astray),
        (date_trunc('month', $1::timestamptz, 'UTC') AT TIME ZONE 'UTC' - interval '1 month')::date";

/// Who needs an event of the month, or one from before it. Of what is beyond the place of a reader: looked for from each
/// place on, where there is little or much of what is needed. As the system role, by the parent's policies: the
/// owner of the tables, who drops the partition, may see none of its rows.
const NEEDED_BY: &str = "
    SELECT CASE
        WHEN EXISTS (
            SELECT FROM event_readers AS r, LATERAL (
                SELECT FROM events AS e
                WHERE e.id < uuid_v7_floor(($1::date + interval '1 month') AT TIME ZONE 'UTC')
                  AND (GREATEST(e.xid, e.xid), e.position) > (r.xid, r.position)
                LIMIT 1) AS needed)
            THEN 'a reader has not done them'
        WHEN EXISTS (
            SELECT FROM inbox AS i, LATERAL (
                SELECT FROM events AS e WHERE e.tenant_id = i.tenant_id AND e.id = i.id LIMIT 1) AS kept
            WHERE i.fault IS NOT NULL
              AND i.id < uuid_v7_floor(($1::date + interval '1 month') AT TIME ZONE 'UTC')
              AND ((SELECT TRUE FROM jobs AS j
                    WHERE j.tenant_id = i.tenant_id AND j.queue = $2
                      AND j.unique_key = $3 || ':' || i.consumer || ':' || i.id
                      AND j.state IN ('delayed', 'waiting', 'active') LIMIT 1)
                OR (SELECT TRUE FROM jobs AS j
                    WHERE j.tenant_id = i.tenant_id AND j.queue = $2
                      AND j.unique_key = $3 || ':' || i.consumer || ':' || i.id
                      AND j.state = 'dead' LIMIT 1)))
            THEN 'some were put aside, and their jobs are not done'
        WHEN EXISTS (
            SELECT FROM webhook_deliveries AS d, LATERAL (
                SELECT FROM events AS e WHERE e.tenant_id = d.tenant_id AND e.id = d.event_id LIMIT 1) AS kept
            WHERE d.state = 'PENDING'
              AND d.event_id < uuid_v7_floor(($1::date + interval '1 month') AT TIME ZONE 'UTC'))
            THEN 'some are on their way to webhooks'
        WHEN EXISTS (
            SELECT FROM jobs AS j
            WHERE j.queue = $4 AND j.kind = $5 AND j.state IN ('delayed', 'waiting', 'active', 'dead')
              AND (j.payload ->> 'oldest')::uuid
                < uuid_v7_floor(($1::date + interval '1 month') AT TIME ZONE 'UTC'))
            THEN 'some are on their way to webhooks'
    END";

/// Keeps where in a tenant's log the last event is that is gone: whoever comes back with a place before that is told so,
/// and who begins anew begins there. Months go by the time of ids, so some that are kept may stand before it. Those are
/// shown to nobody any more: a cursor does not say whether what is gone was missed. Of each tenant a walk through an index
/// up to what is dropped last.
const NOTE: &str = "
    INSERT INTO events_dropped AS known (tenant_id, xid, position)
    SELECT t.id, last.xid, last.position
    FROM tenants AS t
    CROSS JOIN LATERAL (
        SELECT xid, position FROM events AS e
        WHERE e.tenant_id = t.id AND e.id < uuid_v7_floor(($1::date + interval '1 month') AT TIME ZONE 'UTC')
        ORDER BY xid DESC, position DESC
        LIMIT 1) AS last
    ON CONFLICT (tenant_id) DO UPDATE SET xid = EXCLUDED.xid, position = EXCLUDED.position
        WHERE (known.xid, known.position) < (EXCLUDED.xid, EXCLUDED.position)";

const DROP: &str = "SELECT drop_event_partition($1)";

const HOLD: &str = "SELECT hold_event_month($1)";

/// Whether anything of the month was recorded since what was looked at: by the index of the log of all.
const SINCE: &str = "
    SELECT EXISTS (
        SELECT FROM events AS e
        WHERE e.id >= uuid_v7_floor($1::date AT TIME ZONE 'UTC')
          AND e.id < uuid_v7_floor(($1::date + interval '1 month') AT TIME ZONE 'UTC')
          AND GREATEST(e.xid, e.xid) >= $2)";

/// What lies in no month has no partition to be dropped with. Not what may have come since the month was dropped.
const CLEAR_ASTRAY: &str = "
    DELETE FROM events_default
    WHERE (tenant_id, id) IN (
        SELECT astray.tenant_id, astray.id
        FROM tenants AS t, LATERAL (
            SELECT e.tenant_id, e.id FROM events_default AS e
            WHERE e.tenant_id = t.id
              AND e.id < uuid_v7_floor(($1::date + interval '1 month') AT TIME ZONE 'UTC')
              AND e.xid < $3
            ORDER BY e.id
            LIMIT $2) AS astray
        LIMIT $2)";

const HORIZON: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())";

/// Why a month stays that nobody needed a moment before.
const IN_USE: &str = "events were added to it, or somebody began to need them, meanwhile";
/// Events per statement.
const BATCH: i64 = 10_000;
/// Whoever reads events keeps their table from being changed, and whoever writes waits behind that change: so it is tried
/// for less than a tenth of a second each time, and so many times.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Pause = Pause::from_millis(500);

impl PgSystemStore {
    /// Drops whole months whose last day is older than `retention`, up to the first that somebody still needs, and what
    /// lies in no month, because nobody had made its partition in time. Where there is an `archive` a month is dropped once
    /// it is there. Returns how many partitions.
    pub async fn drop_old_events(
        &self,
        retention: Duration,
        archive: Option<&dyn EventArchive>,
    ) -> Result<u32, StoreError> {
        let mut dropped = 0;
        let keep_from: OffsetDateTime = self.now() - retention;
        let connection = self.cluster().system();
        let rows = connection.sql(OLD_MONTHS).bind(keep_from).fetch_all().await?;
        connection.commit().await?;
        for row in rows {
            let month: Date = row.try_get(0).map_err(SqlError::from)?;
            match self.drop_up_to(month, archive).await? {
                Outcome::Kept(_) | Outcome::Unfinished => return Ok(dropped),
                Outcome::WasGone => {}
                Outcome::Dropped => {
                    dropped += 1;
                    tracing::info!(%month, "the events of a month were dropped");
                }
            }
        }
        let connection = self.cluster().system();
        let row = connection.sql(ARE_ASTRAY).bind(keep_from).fetch_one().await?;
        connection.commit().await?;
        let (are_astray, last_month) = (row.try_get(0), row.try_get(1));
        if are_astray.map_err(SqlError::from)? {
            let last_month = last_month.map_err(SqlError::from)?;
            self.drop_up_to(last_month, archive).await?;
        }
        Ok(dropped)
    }

    /// Drops a month, and all that lies before it in no month, where nobody needs any of it, and it is archived.
    pub(super) async fn drop_up_to(
        &self,
        month: Date,
        archive: Option<&dyn EventArchive>,
    ) -> Result<Outcome, StoreError> {
        let connection = self.cluster().system();
        if let Some(why) = needed_by(&connection, month).await? {
            return Ok(Outcome::Kept(why));
        }
        connection.commit().await?;
        let archived = match archive {
            Some(archive) => match archive::write(self, month, archive).await? {
                Some(archived) => Some(archived),
                None => return Ok(Outcome::Unfinished),
            },
            None => None,
        };
        let Some(horizon) = self.look_at(month, archived).await? else {
            return Ok(Outcome::Kept(IN_USE.to_owned()));
        };
        let mut tries = 0;
        let was_there = loop {
            tries += 1;
            match self.drop_month(month, horizon).await {
                Ok(Some(was_there)) => break was_there,
                Ok(None) => return Ok(Outcome::Kept(IN_USE.to_owned())),
                Err(StoreError::Contended) if tries < TRIES => sleep(BETWEEN_TRIES).await,
                Err(error) => return Err(error),
            }
        };
        loop {
            let connection = self.cluster().system();
            let cleared = connection
                .sql(CLEAR_ASTRAY)
                .bind(month)
                .bind(BATCH)
                .bind(horizon)
                .execute()
                .await?;
            connection.commit().await?;
            if cleared < BATCH.unsigned_abs() {
                return Ok(if was_there {
                    Outcome::Dropped
                } else {
                    Outcome::WasGone
                });
            }
        }
    }

    /// Returns behind what nothing was looked at; `None`: the month must stay. Once for all tries, since to count a month
    /// takes long.
    ///
    /// Whoever writes waits for a moment only, so what there is is looked at before that. What is recorded by a transaction
    /// that had not ended when the looking began is behind the horizon, whenever it ends; once nobody writes to the month
    /// any more it is seen there, and the month stays until the next time.
    async fn look_at(&self, month: Date, archived: Option<Archived>) -> Result<Option<Xid>, StoreError> {
        let connection = self.cluster().system();
        let row = connection.sql(HORIZON).fetch_one().await?;
        let horizon: Xid = row.try_get(0).map_err(SqlError::from)?;
        if let Some(Archived { events }) = archived {
            let now = archive::count(&connection, month).await?;
            if now != events {
                tracing::warn!(%month, archived = events.count, now = now.count, "events were added to a month while it was archived: it is archived anew");
                return Ok(None);
            }
        }
        connection.commit().await?;
        Ok(Some(horizon))
    }

    /// Returns whether there was such a month; `None`: it must stay.
    async fn drop_month(&self, month: Date, horizon: Xid) -> Result<Option<bool>, StoreError> {
        let connection = self.cluster().system();
        if needed_by(&connection, month).await?.is_some() {
            return Ok(None);
        }
        let row = connection.sql(HOLD).bind(month).fetch_one().await?;
        let is_there = row.try_get(0).map_err(SqlError::from)?;
        let row = connection
            .sql(SINCE)
            .bind(month)
            .bind(horizon)
            .fetch_one()
            .await?;
        if row.try_get(0).map_err(SqlError::from)? {
            tracing::warn!(%month, "events were added to a month while it was to be dropped: it is kept until the next time");
            return Ok(None);
        }
        // Whoever reads from now on is told that they are gone, whether the rows are or not.
        connection.sql(NOTE).bind(month).execute().await?;
        connection.sql(DROP).bind(month).execute().await?;
        connection.commit().await?;
        Ok(Some(is_there))
    }
}

/// What has become of a month.
pub(super) enum Outcome {
    /// Somebody needs it.
    Kept(String),
    /// Not all of it is archived.
    Unfinished,
    Dropped,
    /// Another process has dropped it, or there was none.
    WasGone,
}

/// Who needs an event of a month, or one from before it.
pub(super) async fn needed_by(connection: &Connection, month: Date) -> Result<Option<String>, StoreError> {
    let needed_by = connection
        .sql(NEEDED_BY)
        .bind(month)
        .bind(Queue::Maintenance.as_str())
        .bind(HANDLE_EVENT)
        .bind(Queue::Webhooks.as_str())
        .bind(DispatchEvents::JOB);
    let row = needed_by.fetch_one().await?;
    let why: Option<String> = row.try_get(0).map_err(SqlError::from)?;
    if let Some(why) = &why {
        tracing::warn!(%month, why, "old events are kept");
    }
    Ok(why)
}
