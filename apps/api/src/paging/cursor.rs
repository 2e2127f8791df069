use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fairlead_domain::access::TenantScope;
use fairlead_domain::paging::{Position, SortKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use time::OffsetDateTime;
use uuid::Uuid;

use super::ListName;

const VERSION: u8 = 1;
const KIND_TIME: u8 = 0;
const KIND_NUMBER: u8 = 1;
/// Version, kind, value, id.
const PAYLOAD: usize = 1 + 1 + 8 + 16;
const TAG: usize = 16;

/// Signs cursors, so that a list only ever continues from a place it has named itself.
#[derive(Clone)]
pub struct CursorKey(pub(super) [u8; 32]);

/// The cursors of one tenant's lists.
#[derive(Clone, Copy, Debug)]
pub struct Cursors<'a> {
    pub(super) key: &'a CursorKey,
    pub(super) scope: &'a TenantScope,
}

impl Cursors<'_> {
    /// As [`CursorKey::seal`].
    pub fn seal(&self, list: ListName, position: Position) -> String {
        self.key.seal(self.scope, list, position)
    }

    /// As [`CursorKey::open`].
    pub fn open(&self, list: ListName, cursor: &str) -> Result<Position, InvalidCursor> {
        self.key.open(self.scope, list, cursor)
    }
}

/// The cursor was not made by us for this list of this tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCursor;

impl CursorKey {
    /// How many characters every cursor has.
    pub const LENGTH: usize = (PAYLOAD + TAG) * 4 / 3;

    /// Takes a secret that all processes of an installation share.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    pub fn of<'a>(&'a self, scope: &'a TenantScope) -> Cursors<'a> {
        Cursors { key: self, scope }
    }

    /// Writes a position as text. It carries no filter: the client repeats those.
    pub fn seal(&self, scope: &TenantScope, list: ListName, position: Position) -> String {
        let (kind, value) = match position.key {
            SortKey::Time(at) => (KIND_TIME, microseconds(at)),
            SortKey::Number(number) => (KIND_NUMBER, number),
        };
        let mut sealed = Vec::with_capacity(PAYLOAD + TAG);
        sealed.extend([VERSION, kind]);
        sealed.extend(value.to_be_bytes());
        sealed.extend(position.id.as_bytes());
        let tag = self.mac(scope, list, &sealed).finalize().into_bytes();
        sealed.extend(&tag[..TAG]);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Reads a position that [`seal`](Self::seal) wrote for the same list of the same tenant.
    pub fn open(&self, scope: &TenantScope, list: ListName, cursor: &str) -> Result<Position, InvalidCursor> {
        let sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| InvalidCursor)?;
        let (payload, tag) = sealed.split_at_checked(PAYLOAD).ok_or(InvalidCursor)?;
        if tag.len() != TAG {
            return Err(InvalidCursor);
        }
        self.mac(scope, list, payload)
            .verify_truncated_left(tag)
            .map_err(|_| InvalidCursor)?;
        read(payload).ok_or(InvalidCursor)
    }

    fn mac(&self, scope: &TenantScope, list: ListName, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(payload);
        mac.update(scope.tenant().as_uuid().as_bytes());
        // The zero keeps `("a", "bc")` and `("ab", "c")` apart: neither part contains one.
        mac.update(list.operation.as_bytes());
        mac.update(&[0]);
        mac.update(list.order.as_bytes());
        mac
    }
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey(…)")
    }
}

fn microseconds(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).expect("every OffsetDateTime is within i64 microseconds")
}

fn read(payload: &[u8]) -> Option<Position> {
    let (head, rest) = payload.split_at_checked(2)?;
    let (value, id) = rest.split_at_checked(8)?;
    let value = i64::from_be_bytes(value.try_into().ok()?);
    let key = match *head {
        [VERSION, KIND_TIME] => {
            let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(value) * 1_000).ok()?;
            SortKey::Time(at)
        }
        [VERSION, KIND_NUMBER] => SortKey::Number(value),
        _ => return None,
    };
    Some(Position {
        key,
        id: Uuid::from_slice(id).ok()?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use fairlead_domain::access::SystemScope;
    use fairlead_domain::identity::TenantId;
    use time::macros::datetime;

    use super::*;

    const LIST: ListName = ListName {
        operation: "listLeads",
        order: "createdAt:desc",
    };

    pub(in crate::paging) fn key() -> CursorKey {
        CursorKey::new([7; 32])
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test acts for tenants that nobody has logged in to"
    )]
    pub(in crate::paging) fn scope(tenant: u128) -> TenantScope {
        SystemScope::new("test of cursors").tenant(TenantId::from_uuid(Uuid::from_u128(tenant)))
    }

    fn positions() -> [Position; 3] {
        let id = Uuid::from_u128(0x0193_4f6e_0000_7000_8000_0000_0000_0001);
        [
            Position {
                key: SortKey::Time(datetime!(2026-11-21 04:05:06.789012 UTC)),
                id,
            },
            Position {
                key: SortKey::Time(datetime!(1969-12-31 23:59:59.999999 UTC)),
                id,
            },
            Position {
                key: SortKey::Number(-42),
                id,
            },
        ]
    }

    #[test]
    fn a_cursor_leads_back_to_its_position() {
        for position in positions() {
            let cursor = key().seal(&scope(1), LIST, position);

            assert_eq!(cursor.len(), CursorKey::LENGTH);
            assert_eq!(key().open(&scope(1), LIST, &cursor), Ok(position));
        }
    }

    #[test]
    fn a_cursor_that_was_altered_anywhere_is_refused() {
        let cursor = key().seal(&scope(1), LIST, positions()[0]);

        for place in 0..cursor.len() {
            let mut altered = cursor.clone().into_bytes();
            altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(
                key().open(&scope(1), LIST, &altered),
                Err(InvalidCursor),
                "place {place}"
            );
        }
        for altered in [
            "",
            "AAAA",
            &cursor[..52],
            &format!("{cursor}AAAA"),
            &format!("{cursor}="),
            "ä",
        ] {
            assert_eq!(
                key().open(&scope(1), LIST, altered),
                Err(InvalidCursor),
                "{altered}"
            );
        }
    }

    #[test]
    fn a_cursor_of_another_tenant_list_order_or_installation_is_refused() {
        let cursor = key().seal(&scope(1), LIST, positions()[0]);
        let other_list = ListName {
            operation: "listUsers",
            ..LIST
        };
        let other_order = ListName {
            order: "createdAt:asc",
            ..LIST
        };

        assert_eq!(key().open(&scope(2), LIST, &cursor), Err(InvalidCursor));
        assert_eq!(key().open(&scope(1), other_list, &cursor), Err(InvalidCursor));
        assert_eq!(key().open(&scope(1), other_order, &cursor), Err(InvalidCursor));
        assert_eq!(
            CursorKey::new([8; 32]).open(&scope(1), LIST, &cursor),
            Err(InvalidCursor)
        );
    }
}
