//! Writes what was recorded: one statement for all events, one for all audit rows, in the transaction of the change. They
//! are queued, and travel with COMMIT.

use std::num::NonZeroU32;

use fairlead_domain::clock::Ids;
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::Recorded;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;
use fairlead_telemetry::request;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::connection::Connection;

// In the order in which they were recorded: a DEFAULT of the target is evaluated after the rows were sorted, so
// `position` grows with it. The place is the default of the column, looked up once for all. It must be looked up behind
// every wait for a row, so by a statement of its own at the end of the transaction.
const INSERT_EVENTS: &str = "
    INSERT INTO events (tenant_id, id, xid, type, version, aggregate_type, aggregate_id, source, actor, data,
                        trace_context, occurred_at)
    SELECT e.tenant_id, e.id, (SELECT place_of_event()), e.type, e.version, e.aggregate_type, e.aggregate_id, e.source,
           e.actor, e.data::jsonb, $1, $2
    FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::int[], $7::text[], $8::uuid[], $9::text[], $10::text[],
                $11::text[])
         WITH ORDINALITY
         AS e (tenant_id, id, type, version, aggregate_type, aggregate_id, source, actor, data, number)
    ORDER BY e.number";

const INSERT_AUDIT: &str = "
    INSERT INTO audit_log (tenant_id, id, action, actor, entity_type, entity_id, before, after, request_id,
                           occurred_at)
    SELECT a.tenant_id, a.id, a.action, a.actor, a.entity_type, a.entity_id, a.before::jsonb, a.after::jsonb, $1, $2
    FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::text[], $10::text[])
         AS a (tenant_id, id, action, actor, entity_type, entity_id, before, after)";

/// Returns the mark of the commit to be.
pub(crate) async fn enqueue(
    connection: &Connection,
    ids: &dyn Ids,
    now: OffsetDateTime,
    recorded: &[(TenantId, Recorded)],
) -> Result<NonZeroU32, StoreError> {
    if recorded.is_empty() {
        return Ok(rand::random());
    }
    let events: Vec<Uuid> = recorded.iter().map(|_| ids.next()).collect();
    let mark = LogPosition::mark_of(events[0]);
    let request = request::current();
    let column = Column(recorded);
    connection
        .sql(INSERT_EVENTS)
        .bind(request.as_ref().map(|request| request.traceparent()))
        .bind(now)
        .bind(column.of(|tenant, _| tenant.as_uuid()))
        .bind(events)
        .bind(column.of(|_, recorded| recorded.event_type))
        .bind(column.of(|_, recorded| i32::from(recorded.version)))
        .bind(column.of(|_, recorded| recorded.aggregate.as_str()))
        .bind(column.of(|_, recorded| recorded.aggregate_id))
        .bind(column.of(|_, recorded| recorded.source.as_str()))
        .bind(column.of(|_, recorded| recorded.actor.to_string()))
        .bind(column.of(|_, recorded| recorded.data()))
        .enqueue()
        .await?;
    connection
        .sql(INSERT_AUDIT)
        .bind(request.as_ref().map(|request| request.request_id().as_str()))
        .bind(now)
        .bind(column.of(|tenant, _| tenant.as_uuid()))
        .bind(column.of(|_, _| ids.next()))
        .bind(column.of(|_, recorded| recorded.event_type))
        .bind(column.of(|_, recorded| recorded.actor.to_string()))
        .bind(column.of(|_, recorded| recorded.aggregate.as_str()))
        .bind(column.of(|_, recorded| recorded.aggregate_id))
        .bind(column.of(|_, recorded| recorded.before.as_ref().map(Value::to_string)))
        .bind(column.of(|_, recorded| recorded.after.as_ref().map(Value::to_string)))
        .enqueue()
        .await?;
    Ok(mark)
}

/// Takes one column out of the rows: `unnest` wants an array for each.
struct Column<'r>(&'r [(TenantId, Recorded)]);

impl<'r> Column<'r> {
    fn of<T>(&self, value: impl Fn(TenantId, &'r Recorded) -> T) -> Vec<T> {
        self.0
            .iter()
            .map(|(tenant, recorded)| value(*tenant, recorded))
            .collect()
    }
}
