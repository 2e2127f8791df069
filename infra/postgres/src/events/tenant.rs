use async_trait::async_trait;
use fairlead_domain::events::{AggregateFilter, Event, EventCursor, EventFilter, EventPage, Events};
use fairlead_domain::store::StoreError;
use uuid::Uuid;

use super::{cursor, event};
use crate::error::SqlError;
use crate::statement::Xid;
use crate::store::PgUnitOfWork;
use crate::wire::{Error, Row};

/// A statement for each filter, so that each is planned for what it looks for. Whatever it is, a bounded number of events
/// is looked at.
///
/// `settled` is the last event that a reader may know of: who finds nothing more of what is wanted goes on behind that
/// one, and does not look at the same events again. It is an event, and not merely the oldest transaction under way,
/// because ids of transactions that left no trace come again after a crash.
///
/// A cursor that the primary has not come to is of another server, or of a time that was lost: what was behind it is gone. A
/// replica may be behind.
///
/// `beyond` is there where the bound was met: the last event that was looked at.
///
/// The place is hidden from the planner. Behind one that is newer than its statistics, or in the middle of a transaction
/// that recorded much, it believes that there is next to nothing, and then looks up all there is to sort it.
macro_rules! page {
    ($of:literal, $beyond:literal, $($looked:literal)+) => {
        concat!(
            "
    WITH settled AS (
        SELECT xid, position FROM events
        WHERE tenant_id = $1 AND xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY xid DESC, position DESC
        LIMIT 1),",
            $of,
            "
    beyond AS (",
            $beyond,
            ")
    SELECT COALESCE(b.xid, s.xid), COALESCE(b.position, s.position), d.xid, d.position,
           $2 >= pg_snapshot_xmax(pg_current_snapshot()) AND NOT pg_is_in_recovery(), COALESCE(b.is_met, FALSE), e.*
    FROM (VALUES (TRUE)) AS always
    LEFT JOIN settled AS s ON TRUE
    LEFT JOIN beyond AS b ON TRUE
    LEFT JOIN events_dropped AS d ON d.tenant_id = $1
    LEFT JOIN LATERAL (
        SELECT xid, position, id, type, version, aggregate_type, aggregate_id, source, actor, data::text,
               trace_context, occurred_at
        FROM ",
            $($looked,)+
            "
        ORDER BY xid, position
        LIMIT $4) AS e ON TRUE
    ORDER BY e.xid, e.position"
        )
    };
}

/// All of them are wanted: no more are looked at than are answered.
const ALL: &str = page!(
    "",
    "SELECT NULL::xid8 AS xid, NULL::bigint AS position, FALSE AS is_met",
    "events
        WHERE tenant_id = $1 AND (xid, position) > ((SELECT $2::xid8), (SELECT $3::bigint))
          AND xid < pg_snapshot_xmin(pg_current_snapshot())"
);

/// So many events are looked at in their order, whatever they are: some milliseconds' worth. Where the last of them is is
/// read from the index alone.
macro_rules! along {
    ($condition:literal) => {
        page!(
            "",
            "
        SELECT xid, position, TRUE AS is_met FROM events
        WHERE tenant_id = $1 AND (xid, position) > ((SELECT $2::xid8), (SELECT $3::bigint))
          AND xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY xid, position
        OFFSET 3999 LIMIT 1",
            "(
            SELECT * FROM events
            WHERE tenant_id = $1 AND (xid, position) > ((SELECT $2::xid8), (SELECT $3::bigint))
              AND xid < pg_snapshot_xmin(pg_current_snapshot())
            ORDER BY xid, position
            LIMIT 4000) AS looked
        WHERE " $condition
        )
    };
}

/// All events of one thing are looked up and put in order, wherever in the log they are: most things have few. Where the
/// bound is met none is answered.
///
/// The thing is hidden from the planner, which would not use the index for one that has had a large share of all events.
macro_rules! of_one {
    ($condition:literal) => {
        page!(
            "
    of_one AS MATERIALIZED (
        SELECT * FROM events
        WHERE tenant_id = $1 AND aggregate_type = $6 AND aggregate_id = (SELECT $7::uuid)
        LIMIT 4000),",
            "SELECT NULL::xid8 AS xid, NULL::bigint AS position, count(*) = 4000 AS is_met FROM of_one",
            "of_one
        WHERE (xid, position) > ($2, $3) AND xid < pg_snapshot_xmin(pg_current_snapshot()) AND " $condition
        )
    };
}

/// Looks at the log in its order.
fn reading_along(filter: &EventFilter) -> &'static str {
    match (filter.aggregate, &filter.types[..]) {
        (None, []) => ALL,
        (None, _) => along!("type = ANY ($5)"),
        (Some(AggregateFilter { id: None, .. }), []) => along!("aggregate_type = $6"),
        (Some(AggregateFilter { id: None, .. }), _) => along!("aggregate_type = $6 AND type = ANY ($5)"),
        (Some(_), []) => along!("aggregate_type = $6 AND aggregate_id = $7"),
        (Some(_), _) => along!("aggregate_type = $6 AND aggregate_id = $7 AND type = ANY ($5)"),
    }
}

/// Looks up what is wanted, where that is of one thing.
fn reading_one(filter: &EventFilter) -> Option<&'static str> {
    filter.aggregate?.id?;
    Some(if filter.types.is_empty() {
        of_one!("TRUE")
    } else {
        of_one!("type = ANY ($5)")
    })
}

const ONE: &str = "
    SELECT xid, position, id, type, version, aggregate_type, aggregate_id, source, actor, data::text, trace_context,
           occurred_at
    FROM events WHERE tenant_id = $1 AND id = $2";

// Each looked up by its key.
const SOME: &str = "
    SELECT e.xid, e.position, e.id, e.type, e.version, e.aggregate_type, e.aggregate_id, e.source, e.actor, e.data::text,
           e.trace_context, e.occurred_at
    FROM events AS e WHERE e.tenant_id = $1 AND e.id = ANY ($2)
    ORDER BY e.xid, e.position";

const DROPPED: &str = "SELECT xid, position FROM events_dropped WHERE tenant_id = $1";

#[async_trait]
impl Events for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.events.after", skip_all)]
    async fn after(
        &mut self,
        filter: &EventFilter,
        after: Option<EventCursor>,
        limit: u32,
    ) -> Result<EventPage, StoreError> {
        let page = self
            .page(filter, after.unwrap_or(EventCursor::START), limit)
            .await?;
        if after.is_some() || !page.is_cut {
            return Ok(page);
        }
        // Who begins anew is owed nothing of what is gone, and begins behind it: a cursor from before would be of no use.
        let dropped = self.dropped().await?;
        let page = self.page(filter, dropped, limit).await?;
        // More may be dropped between the two.
        Ok(EventPage {
            is_cut: false,
            ..page
        })
    }

    #[tracing::instrument(level = "debug", name = "db.events.dropped", skip_all)]
    async fn dropped(&mut self) -> Result<EventCursor, StoreError> {
        let row = self
            .connection
            .sql(DROPPED)
            .bind(self.tenant_id())
            .fetch_optional()
            .await?;
        let dropped = row.as_ref().map(|row| cursor(row, 0)).transpose();
        Ok(dropped.map_err(SqlError::from)?.unwrap_or(EventCursor::START))
    }

    #[tracing::instrument(level = "debug", name = "db.events.find", skip_all)]
    async fn find(&mut self, id: Uuid) -> Result<Option<Event>, StoreError> {
        let row = self
            .connection
            .sql(ONE)
            .bind(self.tenant_id())
            .bind(id)
            .fetch_optional()
            .await?;
        row.as_ref().map(|row| event(row, 0, self.tenant)).transpose()
    }

    #[tracing::instrument(level = "debug", name = "db.events.find_all", skip_all)]
    async fn find_all(&mut self, ids: &[Uuid]) -> Result<Vec<Event>, StoreError> {
        let rows = self
            .connection
            .sql(SOME)
            .bind(self.tenant_id())
            .bind(ids.to_vec())
            .fetch_all()
            .await?;
        rows.iter().map(|row| event(row, 0, self.tenant)).collect()
    }
}

impl PgUnitOfWork {
    async fn page(
        &self,
        filter: &EventFilter,
        after: EventCursor,
        limit: u32,
    ) -> Result<EventPage, StoreError> {
        if let Some(statement) = reading_one(filter) {
            let looked = self.look(statement, filter, after, limit).await?;
            if !looked.is_bounded {
                return Ok(looked.page);
            }
        }
        let mut looked = self.look(reading_along(filter), filter, after, limit).await?;
        looked.page.has_more |= looked.is_bounded;
        Ok(looked.page)
    }

    async fn look(
        &self,
        statement: &'static str,
        filter: &EventFilter,
        after: EventCursor,
        limit: u32,
    ) -> Result<Looked, StoreError> {
        let of = filter.aggregate;
        let rows = self
            .connection
            .sql(statement)
            .bind(self.tenant_id())
            .bind(Xid(after.xid))
            .bind(after.position)
            // One more than wanted tells whether there are more.
            .bind(i64::from(limit) + 1)
            .bind(filter.types.clone())
            .bind(of.map(|of| of.aggregate.as_str()))
            .bind(of.and_then(|of| of.id))
            .fetch_all()
            .await?;
        let mut events = Vec::with_capacity(rows.len());
        let (mut settled, mut dropped, mut is_ahead, mut is_bounded) = (None, None, false, false);
        for row in &rows {
            settled = known_cursor(row, 0).map_err(SqlError::from)?;
            dropped = known_cursor(row, 2).map_err(SqlError::from)?;
            is_ahead = row.try_get(4).map_err(SqlError::from)?;
            is_bounded = row.try_get(5).map_err(SqlError::from)?;
            let id: Option<Uuid> = row.try_get(8).map_err(SqlError::from)?;
            if id.is_some() {
                events.push(event(row, 6, self.tenant)?);
            }
        }
        let is_full = events.len() > limit as usize;
        events.truncate(limit as usize);
        let next = match events.last() {
            Some(last) if is_full => last.cursor,
            _ => settled.map_or(after, |settled| settled.max(after)),
        };
        let page = EventPage {
            events,
            next,
            has_more: is_full,
            is_cut: is_ahead || dropped.is_some_and(|dropped| after < dropped),
        };
        Ok(Looked { page, is_bounded })
    }
}

/// What one statement has found.
struct Looked {
    page: EventPage,
    /// Whether it has looked at as many events as it may.
    is_bounded: bool,
}

/// Reads `xid, position`, where they are known.
fn known_cursor(row: &Row, first: usize) -> Result<Option<EventCursor>, Error> {
    let position: Option<i64> = row.try_get(first + 1)?;
    position.map(|_| cursor(row, first)).transpose()
}
