//! The log of events: read in the order of cause, delivered to all who follow it, lost by nobody.

mod alarm;
mod anew;
mod archive;
mod archive_acts;
mod archive_races;
mod aside;
mod beside;
mod bounded;
mod broker;
mod catching_up;
mod consumers;
mod cutter;
mod ended_elsewhere;
mod far_behind;
mod faults;
mod log;
mod memory;
pub(crate) mod relays;
pub(crate) mod retention;
mod socket;
pub(crate) mod socket_client;
mod socket_ends;
mod stream;
pub(crate) mod stream_ends;
pub(crate) mod stream_reader;
mod subscriber;
mod supervised;

use sqlx::{AssertSqlSafe, PgExecutor};

/// So many events of a type and a tenant at once, as a bulk would record them, at a time of SQL's.
async fn record_many(database: impl PgExecutor<'_>, tenant: &str, event_type: &str, at: &str, count: usize) {
    let record = format!(
        "INSERT INTO events (tenant_id, id, type, version, aggregate_type, aggregate_id, source, actor, data, occurred_at)
         SELECT '{tenant}', overlay(gen_random_uuid()::text
                                    PLACING left(uuid_v7_floor({at})::text, 15) FROM 1 FOR 15)::uuid,
                '{event_type}', 1, 'lead', gen_random_uuid(), 'api', 'system', '{{\"name\": \"x\"}}', {at}
         FROM generate_series(1, {count})"
    );
    sqlx::query(AssertSqlSafe(record))
        .execute(database)
        .await
        .unwrap();
}
