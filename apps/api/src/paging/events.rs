//! Cursors of the log of events.
//!
//! What is in one counts the transactions and the events of the whole platform, so it is hidden as well as signed: the
//! tag is both the signature and the start of the key stream that covers the payload (the construction of SIV, RFC
//! 5297, with HMAC-SHA256 in place of AES). The same place has the same cursor each time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fairlead_domain::access::TenantScope;
use fairlead_domain::events::EventCursor;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{CursorKey, Cursors, InvalidCursor};

/// Version, transaction, position.
const PAYLOAD: usize = 1 + 8 + 8;
const TAG: usize = 16;
const VERSION: u8 = 1;

impl Cursors<'_> {
    /// Writes a place in the tenant's log as text.
    pub fn seal_event(&self, cursor: EventCursor) -> String {
        self.key.seal_event(self.scope, cursor)
    }

    /// Reads what [`seal_event`](Self::seal_event) wrote for the same tenant.
    pub fn open_event(&self, cursor: &str) -> Result<EventCursor, InvalidCursor> {
        self.key.open_event(self.scope, cursor)
    }
}

impl CursorKey {
    /// How many characters every cursor of the log has.
    pub const EVENTS_LENGTH: usize = (TAG + PAYLOAD) * 4 / 3;

    fn seal_event(&self, scope: &TenantScope, cursor: EventCursor) -> String {
        let mut payload = [VERSION; PAYLOAD];
        payload[1..9].copy_from_slice(&cursor.xid.to_be_bytes());
        payload[9..].copy_from_slice(&cursor.position.to_be_bytes());
        let tag = self.event_tag(scope, &payload);
        self.cover(tag, &mut payload);
        URL_SAFE_NO_PAD.encode([&tag[..], &payload].concat())
    }

    fn open_event(&self, scope: &TenantScope, cursor: &str) -> Result<EventCursor, InvalidCursor> {
        let sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| InvalidCursor)?;
        let (tag, covered) = sealed.split_first_chunk::<TAG>().ok_or(InvalidCursor)?;
        let mut payload: [u8; PAYLOAD] = covered.try_into().map_err(|_| InvalidCursor)?;
        self.cover(*tag, &mut payload);
        self.event_mac(scope, &payload)
            .verify_truncated_left(tag)
            .map_err(|_| InvalidCursor)?;
        read(&payload).ok_or(InvalidCursor)
    }

    fn event_tag(&self, scope: &TenantScope, payload: &[u8]) -> [u8; TAG] {
        let mac = self.event_mac(scope, payload).finalize().into_bytes();
        let mut tag = [0; TAG];
        tag.copy_from_slice(&mac[..TAG]);
        tag
    }

    fn event_mac(&self, scope: &TenantScope, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.hmac(b"event cursor\0");
        mac.update(payload);
        mac.update(scope.tenant().as_uuid().as_bytes());
        mac
    }

    /// Covers a payload, or uncovers it.
    fn cover(&self, tag: [u8; TAG], payload: &mut [u8; PAYLOAD]) {
        let mut stream = self.hmac(b"event cursor stream\0");
        stream.update(&tag);
        for (byte, key) in payload.iter_mut().zip(stream.finalize().into_bytes()) {
            *byte ^= key;
        }
    }

    fn hmac(&self, purpose: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(purpose);
        mac
    }
}

fn read(payload: &[u8; PAYLOAD]) -> Option<EventCursor> {
    let (version, rest) = payload.split_first()?;
    let (xid, position) = rest.split_first_chunk::<8>()?;
    (*version == VERSION).then_some(EventCursor {
        xid: u64::from_be_bytes(*xid),
        position: i64::from_be_bytes(position.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::cursor::tests::{key, scope};
    use super::*;

    const PLACE: EventCursor = EventCursor {
        xid: 0x0123_4567_89ab_cdef,
        position: 42,
    };

    #[test]
    fn a_cursor_leads_back_to_its_place_and_does_not_show_it() {
        let cursor = key().seal_event(&scope(1), PLACE);

        assert_eq!(cursor.len(), CursorKey::EVENTS_LENGTH);
        assert_eq!(key().open_event(&scope(1), &cursor), Ok(PLACE));
        let bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        assert!(!bytes.windows(4).any(|part| part == &PLACE.xid.to_be_bytes()[..4]));
        let next = EventCursor {
            position: PLACE.position + 1,
            ..PLACE
        };
        let other = URL_SAFE_NO_PAD.decode(key().seal_event(&scope(1), next)).unwrap();
        let alike = bytes
            .iter()
            .zip(&other)
            .filter(|(one, other)| one == other)
            .count();
        assert!(
            alike < 6,
            "{alike} bytes are alike: the distance of two places shows"
        );
    }

    #[test]
    fn a_cursor_that_was_altered_or_belongs_elsewhere_is_refused() {
        let cursor = key().seal_event(&scope(1), PLACE);

        for place in 0..cursor.len() {
            let mut altered = cursor.clone().into_bytes();
            altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(
                key().open_event(&scope(1), &altered),
                Err(InvalidCursor),
                "place {place}"
            );
        }
        for altered in ["", "AAAA", &cursor[..40], &format!("{cursor}AAAA")] {
            assert_eq!(
                key().open_event(&scope(1), altered),
                Err(InvalidCursor),
                "{altered}"
            );
        }
        assert_eq!(key().open_event(&scope(2), &cursor), Err(InvalidCursor));
        assert_eq!(
            CursorKey::new([8; 32]).open_event(&scope(1), &cursor),
            Err(InvalidCursor)
        );
    }
}
