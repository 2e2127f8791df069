use bytes::Bytes;
use time::OffsetDateTime;

use super::SigningSecrets;
use crate::events::{Envelope, Event};
use crate::identity::Secret;

/// What is posted to a receiver.
///
/// The headers are those of Standard Webhooks: `id` is that of the event, so it is the same in each attempt; what is
/// signed is the id, the moment of the attempt and the body, with a dot between them.
#[derive(Clone, Debug)]
pub struct Message {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`, in Unix seconds.
    pub timestamp: i64,
    /// `webhook-signature`: one for each secret that counts, with spaces between them.
    pub signature: String,
    pub body: Bytes,
}

impl Message {
    pub const MEDIA_TYPE: &'static str = Envelope::MEDIA_TYPE;

    /// Signs an event with each of `keys`.
    pub fn sign(event: &Event, at: OffsetDateTime, secrets: &dyn SigningSecrets, keys: &[Secret]) -> Self {
        Self::of(event.id.to_string(), Envelope(event).to_json(), at, secrets, keys)
    }

    /// Signs what is in an envelope already.
    pub fn of(
        id: String,
        body: String,
        at: OffsetDateTime,
        secrets: &dyn SigningSecrets,
        keys: &[Secret],
    ) -> Self {
        let timestamp = at.unix_timestamp();
        let content = format!("{id}.{timestamp}.{body}");
        let signatures: Vec<String> = keys
            .iter()
            .map(|key| secrets.sign(key, content.as_bytes()))
            .collect();
        Self {
            id,
            timestamp,
            signature: signatures.join(" "),
            body: body.into(),
        }
    }
}
