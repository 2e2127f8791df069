//! Has a month of events written to an archive, a stretch at a time.

use std::time::{Duration, Instant};

use fairlead_domain::Id;
use fairlead_domain::events::{ArchiveError, Event, EventArchive, EventSet};
use fairlead_domain::store::StoreError;
use time::Date;
use uuid::Uuid;

use super::event;
use crate::connection::Connection;
use crate::error::SqlError;
use crate::system::PgSystemStore;

/// All that is dropped with a month: also what lies before it in no month. With the last 64 bits of the ids.
const COUNT: &str = "
    SELECT count(*), COALESCE(bit_xor(('x' || right(replace(id::text, '-', ''), 16))::bit(64)::bigint), 0)
    FROM events WHERE id < uuid_v7_floor(($1::date + interval '1 month') AT TIME ZONE 'UTC')";

const SLICE: &str = "
    SELECT tenant_id, xid, position, id, type, version, aggregate_type, aggregate_id, source, actor, data::text,
           trace_context, occurred_at
    FROM events
    WHERE id < uuid_v7_floor(($1::date + interval '1 month') AT TIME ZONE 'UTC') AND (tenant_id, id) > ($2, $3)
    ORDER BY tenant_id, id
    LIMIT $4";

/// What is written at a time, to a file each.
const EVENTS: usize = 10_000;
/// Then the rest waits for the next time: an attempt of the chore takes ten minutes at the most, as it is configured.
const WRITE_FOR: Duration = Duration::from_mins(5);
/// Counting is one walk through an index, however many there are.
const COUNT_FOR: &str = "SELECT set_config('statement_timeout', '120000', true)";

/// A month that is in the archive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Archived {
    pub(super) events: EventSet,
}

/// Goes on where it was left. `None`: there is more to be written than there is time for.
pub(super) async fn write(
    store: &PgSystemStore,
    month: Date,
    archive: &dyn EventArchive,
) -> Result<Option<Archived>, StoreError> {
    let began = Instant::now();
    let connection = store.cluster().system();
    let events = count(&connection, month).await?;
    connection.commit().await?;
    if events.count == 0 {
        // Another process has dropped it, perhaps; there is nothing to be kept, in any case.
        return Ok(Some(Archived { events }));
    }
    let mut archived = archive.open(month, events).await.map_err(failed)?;
    while !archived.is_whole() {
        let (tenant, id) = archived
            .last()
            .unwrap_or((Id::from_uuid(Uuid::nil()), Uuid::nil()));
        let slice = slice(store, month, (tenant.as_uuid(), id)).await?;
        if slice.is_empty() {
            archived.seal().await.map_err(failed)?;
            tracing::info!(%month, events = archived.events().count, "the events of a month were archived");
            break;
        }
        archived.append(slice).await.map_err(failed)?;
        if began.elapsed() > WRITE_FOR {
            let written = archived.events().count;
            tracing::info!(%month, events = events.count, written, "a month of events is being archived: the rest comes next time");
            return Ok(None);
        }
    }
    Ok(Some(Archived {
        events: archived.events(),
    }))
}

pub(super) async fn count(connection: &Connection, month: Date) -> Result<EventSet, StoreError> {
    connection.sql(COUNT_FOR).execute().await?;
    let row = connection.sql(COUNT).bind(month).fetch_one().await?;
    let count: i64 = row.try_get(0).map_err(SqlError::from)?;
    let digest: i64 = row.try_get(1).map_err(SqlError::from)?;
    Ok(EventSet {
        count: count.unsigned_abs(),
        digest: digest.cast_unsigned(),
    })
}

async fn slice(store: &PgSystemStore, month: Date, after: (Uuid, Uuid)) -> Result<Vec<Event>, StoreError> {
    let connection = store.cluster().system();
    let rows = connection
        .sql(SLICE)
        .bind(month)
        .bind(after.0)
        .bind(after.1)
        .bind(i64::try_from(EVENTS).unwrap_or(i64::MAX))
        .fetch_all()
        .await?;
    connection.commit().await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in &rows {
        let tenant = Id::from_uuid(row.try_get(0).map_err(SqlError::from)?);
        events.push(event(row, 1, tenant)?);
    }
    Ok(events)
}

fn failed(error: ArchiveError) -> StoreError {
    StoreError::Unexpected(Box::new(error))
}
