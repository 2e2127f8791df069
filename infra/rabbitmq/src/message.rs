//! An event as a message: its envelope, and beside it what only our processes need.

use fairlead_domain::events::{Delivered, Envelope, Event, EventCursor};
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};

use crate::shard::shard;
use crate::topology::{SHARD, text};

/// Where in the log the event is.
const CURSOR: &str = "x-fairlead-cursor";
/// How often its delivery has failed.
const FAILURES: &str = "x-fairlead-failures";
/// Whose trace consumers of others go on in without opening the envelope, which has it, too (W3C Trace Context).
const TRACE_PARENT: &str = "traceparent";
/// Kept by the broker when it restarts.
const PERSISTENT: u8 = 2;

/// `<tenant>.<aggregateType>.<event>`
pub(crate) fn routing_key(event: &Event) -> String {
    format!("{}.{}.{}", event.tenant, event.aggregate_type, event.event_type)
}

pub(crate) fn properties(event: &Event) -> BasicProperties {
    let EventCursor { xid, position } = event.cursor;
    let mut headers = FieldTable::default();
    headers.insert(SHARD.into(), text(&shard(event.tenant).to_string()));
    headers.insert(CURSOR.into(), text(&format!("{xid}:{position}")));
    if let Some(trace_parent) = &event.trace_parent {
        headers.insert(TRACE_PARENT.into(), text(trace_parent));
    }
    // Which is all that AMQP has of a moment; the envelope has the rest.
    let seconds = u64::try_from(event.occurred_at.unix_timestamp()).unwrap_or_default();
    BasicProperties::default()
        .with_content_type(Envelope::MEDIA_TYPE.into())
        .with_delivery_mode(PERSISTENT)
        .with_message_id(event.id.to_string().into())
        .with_type(event.event_type.as_str().into())
        .with_timestamp(seconds)
        .with_headers(headers)
}

/// The same message, which has failed so often.
pub(crate) fn failed(delivery: &Delivery, failures: u32) -> BasicProperties {
    let mut headers = delivery.properties.headers().clone().unwrap_or_default();
    headers.insert(FAILURES.into(), AMQPValue::LongLongInt(failures.into()));
    delivery.properties.clone().with_headers(headers)
}

/// Why a message is none of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForeignMessage {
    #[error("its header {CURSOR} is missing or malformed")]
    Cursor,
    #[error("its body is no envelope")]
    Envelope(#[from] EnvelopeError),
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct EnvelopeError(String);

/// Reads a message; `retries` is how often one comes again.
pub(crate) fn read(delivery: &Delivery, retries: usize) -> Result<Delivered, ForeignMessage> {
    let header = |name| delivery.properties.headers().as_ref()?.inner().get(name);
    let cursor = match header(CURSOR) {
        Some(AMQPValue::LongString(cursor)) => parse(&cursor.to_string()),
        _ => None,
    };
    let failures = match header(FAILURES) {
        Some(AMQPValue::LongLongInt(failures)) => u32::try_from(*failures).unwrap_or(u32::MAX),
        _ => 0,
    };
    let cursor = cursor.ok_or(ForeignMessage::Cursor)?;
    let event = Event::from_envelope(&delivery.data, cursor)
        .map_err(|error| ForeignMessage::Envelope(EnvelopeError(error.to_string())))?;
    Ok(Delivered {
        event,
        failures,
        is_last: failures as usize >= retries,
    })
}

fn parse(cursor: &str) -> Option<EventCursor> {
    let (xid, position) = cursor.split_once(':')?;
    Some(EventCursor {
        xid: xid.parse().ok()?,
        position: position.parse().ok()?,
    })
}
