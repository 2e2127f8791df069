//! What is about to be sent.

use std::fmt::Write as _;
use std::time::Duration;

use actix_http::ws::{CloseCode, CloseReason, Codec, Message};
use actix_web::web::{Bytes, BytesMut};
use fairlead_domain::events::{Event, Shown};
use tokio::time::Instant;
use tokio_util::codec::Encoder as _;

use super::super::stay::CHUNK;
use super::message::Told;
use crate::realtime::Room;

/// For how long events are gathered, by a client that wants that.
const BATCH_FOR: Duration = Duration::from_millis(100);
/// Of a frame that is not masked (RFC 6455, 5.2).
const MOST_HEADER: usize = 10;

#[derive(Default)]
pub(super) struct Output {
    codec: Codec,
    /// An event that all are told alike, in front of `bytes`.
    first: Bytes,
    bytes: BytesMut,
    /// Events in both.
    events: u64,
    /// `None`: each event is told by itself.
    batch: Option<Batch>,
}

/// Events that are gathered to be told together.
#[derive(Default)]
struct Batch {
    /// Messages with commas between.
    messages: String,
    events: u64,
    cursor: String,
    due: Option<Instant>,
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.bytes.is_empty()
    }

    /// All that is to be sent, and how many events that is.
    pub(super) fn take(&mut self) -> (Bytes, u64) {
        let events = std::mem::take(&mut self.events);
        let first = std::mem::take(&mut self.first);
        if self.bytes.is_empty() {
            return (first, events);
        }
        // Whoever waits keeps no memory for it.
        let bytes = std::mem::take(&mut self.bytes).freeze();
        if first.is_empty() {
            return (bytes, events);
        }
        ([first, bytes].concat().into(), events)
    }

    /// Whether events are gathered from now on.
    pub(super) fn set_batches(&mut self, wanted: bool) {
        self.batch = wanted.then(Batch::default);
    }

    pub(super) fn tell(&mut self, event: &Event, shown: &Shown) -> Room {
        let Event { event_type, .. } = event;
        let Shown { data, cursor, .. } = shown;
        let message = || format!(r#"{{"type":"{event_type}","data":{data},"cursor":"{cursor}"}}"#);
        let Some(batch) = &mut self.batch else {
            let framed = shown.message.get_or_init(|| framed(message()));
            self.events += 1;
            if self.is_empty() {
                self.first = framed.clone();
            } else {
                self.bytes.extend_from_slice(framed);
            }
            return if self.first.len() + self.bytes.len() < CHUNK {
                Room::Left
            } else {
                Room::Full
            };
        };
        if batch.events > 0 {
            batch.messages.push(',');
        }
        batch.messages.push_str(&message());
        batch.events += 1;
        batch.cursor.clone_from(cursor);
        batch.due.get_or_insert_with(|| Instant::now() + BATCH_FOR);
        if batch.messages.len() < CHUNK {
            Room::Left
        } else {
            self.send_batch();
            Room::Full
        }
    }

    /// When what is gathered is to be sent.
    pub(super) fn batch_due(&self) -> Option<Instant> {
        self.batch.as_ref().and_then(|batch| batch.due)
    }

    pub(super) fn send_batch_if_due(&mut self) {
        if self.batch_due().is_some_and(|due| due <= Instant::now()) {
            self.send_batch();
        }
    }

    pub(super) fn send_batch(&mut self) {
        let Some(batch) = self.batch.as_mut().filter(|batch| batch.events > 0) else {
            return;
        };
        let Batch {
            messages,
            events,
            cursor,
            ..
        } = std::mem::take(batch);
        self.events += events;
        let text = format!(r#"{{"type":"notifications","data":[{messages}],"cursor":"{cursor}"}}"#);
        self.frame(Message::Text(text.into()));
    }

    /// Says something that is no event; `cursor` is where the client stands.
    pub(super) fn say(&mut self, told: &Told, cursor: Option<&str>) {
        let mut text = serde_json::to_string(told).expect("what is told is plain data");
        if let Some(cursor) = cursor {
            text.pop();
            write!(text, r#","cursor":"{cursor}"}}"#).expect("a String takes any text");
        }
        self.frame(Message::Text(text.into()));
    }

    pub(super) fn ping(&mut self) {
        self.frame(Message::Ping(Bytes::new()));
    }

    pub(super) fn pong(&mut self, payload: Bytes) {
        self.frame(Message::Pong(payload));
    }

    pub(super) fn close(&mut self, code: CloseCode, reason: &str) {
        let description = (!reason.is_empty()).then(|| reason.to_owned());
        self.frame(Message::Close(Some(CloseReason { code, description })));
    }

    fn frame(&mut self, message: Message) {
        encode(&mut self.codec, message, &mut self.bytes);
    }
}

/// What a server says is not masked, and so the same to everybody (RFC 6455, 5.1).
fn framed(text: String) -> Bytes {
    let mut bytes = BytesMut::with_capacity(text.len() + MOST_HEADER);
    encode(&mut Codec::new(), Message::Text(text.into()), &mut bytes);
    bytes.freeze()
}

fn encode(codec: &mut Codec, message: Message, bytes: &mut BytesMut) {
    let encoded = codec.encode(message, bytes);
    encoded.expect("no message of ours is a part of one, and only those can fail");
}
