//! The log of events, read in the order of cause.
//!
//! A reader goes no further than the oldest transaction under way anywhere in the cluster
//! (`pg_snapshot_xmin(pg_current_snapshot())`): none before it can still commit an event. That moment and the events
//! are read by one statement, in one snapshot.

mod active;
mod archive;
mod inbox;
mod leadership;
mod lease;
mod log;
mod months;
mod retention;
mod tenant;
mod word;

use crate::wire::{Error, Row};
use fairlead_domain::events::{Event, EventCursor};
use fairlead_domain::identity::TenantId;
use serde_json::value::RawValue;

use crate::error::{SqlError, corrupt};
use crate::statement::Xid;
use fairlead_domain::store::StoreError;

pub use months::PgEventMonths;
pub(crate) use word::ThisProcess;

/// Reads the columns of an event, which begin at `first`: `xid, position, id, type, version, aggregate_type,
/// aggregate_id, source, actor, data::text, trace_context, occurred_at`.
fn event(row: &Row, first: usize, tenant: TenantId) -> Result<Event, StoreError> {
    let columns = || -> Result<(Event, String), Error> {
        let event = Event {
            cursor: cursor(row, first)?,
            tenant,
            id: row.try_get(first + 2)?,
            event_type: row.try_get(first + 3)?,
            version: row.try_get(first + 4)?,
            aggregate_type: row.try_get(first + 5)?,
            aggregate_id: row.try_get(first + 6)?,
            source: row.try_get(first + 7)?,
            actor: row.try_get(first + 8)?,
            data: RawValue::NULL.to_owned(),
            trace_parent: row.try_get(first + 10)?,
            occurred_at: row.try_get(first + 11)?,
        };
        Ok((event, row.try_get(first + 9)?))
    };
    let (event, data) = columns().map_err(SqlError::from)?;
    let data = RawValue::from_string(data)
        .map_err(|error| corrupt("events", event.id, format!("its data is no JSON: {error}")))?;
    Ok(Event { data, ..event })
}

/// Reads `xid, position`.
fn cursor(row: &Row, first: usize) -> Result<EventCursor, Error> {
    let Xid(xid) = row.try_get(first)?;
    Ok(EventCursor {
        xid,
        position: row.try_get(first + 1)?,
    })
}
