//! Drops the events of months that are long over, once everybody has done them.

use fairlead_domain::events::HANDLE_EVENT;
use fairlead_domain::jobs::Queue;
use fairlead_domain::store::StoreError;
use time::{Date, Duration, OffsetDateTime};

use crate::error::SqlError;
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
    END";

/// Keeps up to where a tenant's log is gone when the month is: whoever comes back with a place before that is told so.
/// Months go by the time of ids, so some that are kept may stand before the last that is dropped; those begin the log
/// for who begins anew, and what is dropped behind them is missed by nobody but who has not come for as long as events
/// are kept. Of each tenant two steps in an index.
const NOTE: &str = "
    INSERT INTO events_dropped AS known (tenant_id, xid, position)
    SELECT t.id, last.xid, last.position
    FROM tenants AS t
    LEFT JOIN LATERAL (
        SELECT xid, position FROM events AS e
        WHERE e.tenant_id = t.id
          AND (e.id < uuid_v7_floor($1::date::timestamp AT TIME ZONE 'UTC')
               OR e.id >= uuid_v7_floor(($1::date + interval '1 month') AT TIME ZONE 'UTC'))
        ORDER BY xid, position
        LIMIT 1) AS kept ON TRUE
    CROSS JOIN LATERAL (
        SELECT xid, position FROM events AS e
        WHERE e.tenant_id = t.id
          AND e.id >= uuid_v7_floor($1::date::timestamp AT TIME ZONE 'UTC')
          AND e.id < uuid_v7_floor(($1::date + interval '1 month') AT TIME ZONE 'UTC')
          AND (kept.xid IS NULL OR (e.xid, e.position) < (kept.xid, kept.position))
        ORDER BY xid DESC, position DESC
        LIMIT 1) AS last
    ON CONFLICT (tenant_id) DO UPDATE SET xid = EXCLUDED.xid, position = EXCLUDED.position
        WHERE (known.xid, known.position) < (EXCLUDED.xid, EXCLUDED.position)";

const DROP: &str = "SELECT drop_event_partition($1)";

impl PgSystemStore {
    /// Drops whole months whose last day is older than `retention`, up to the first that somebody still needs. Returns
    /// how many.
    pub async fn drop_old_events(&self, retention: Duration) -> Result<u32, StoreError> {
        let mut dropped = 0;
        let keep_from: OffsetDateTime = self.now() - retention;
        let connection = self.cluster().system();
        let rows = connection.sql(OLD_MONTHS).bind(keep_from).fetch_all().await?;
        connection.commit().await?;
        for row in rows {
            let month: Date = row.try_get(0).map_err(SqlError::from)?;
            let connection = self.cluster().system();
            let needed_by = connection
                .sql(NEEDED_BY)
                .bind(month)
                .bind(Queue::Maintenance.as_str())
                .bind(HANDLE_EVENT);
            let row = needed_by.fetch_one().await?;
            let why: Option<String> = row.try_get(0).map_err(SqlError::from)?;
            if let Some(why) = why {
                tracing::warn!(%month, why, "old events are kept");
                return Ok(dropped);
            }
            connection.sql(NOTE).bind(month).execute().await?;
            connection.sql(DROP).bind(month).execute().await?;
            connection.commit().await?;
            dropped += 1;
            tracing::info!(%month, "the events of a month were dropped");
        }
        Ok(dropped)
    }
}
