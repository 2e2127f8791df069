use serde_json::value::RawValue;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::identity::TenantId;

/// The place of an event in the log.
///
/// `position` alone is given out before the commit, and commits come in any order: whoever remembers the greatest one
/// seen misses what commits late. So a transaction leads, and a reader goes no further than the oldest one under way
/// (`docs/adr/0008`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventCursor {
    /// The later of the transaction that recorded it and the newest that had ended by then: what was changed upon the
    /// change of another comes behind it.
    pub xid: u64,
    /// Its number among all events.
    pub position: i64,
}

impl EventCursor {
    /// Before all events.
    pub const START: Self = Self { xid: 0, position: 0 };
}

/// One entry of the log.
#[derive(Clone, Debug)]
pub struct Event {
    pub cursor: EventCursor,
    pub tenant: TenantId,
    pub id: Uuid,
    /// In the past tense, named after its aggregate: `lead_created`.
    pub event_type: String,
    /// The version of `data`; fields are only ever added within one.
    pub version: i32,
    pub aggregate_type: String,
    pub aggregate_id: Uuid,
    /// What brought it about: `api`, `import`.
    pub source: String,
    /// Who did: `user:<id>`, `api-key:<id>`, `system`.
    pub actor: String,
    /// A JSON object, as it was recorded; not parsed, because most readers pass it on.
    pub data: Box<RawValue>,
    /// W3C `traceparent` of the request that recorded it.
    pub trace_parent: Option<String>,
    pub occurred_at: OffsetDateTime,
}
