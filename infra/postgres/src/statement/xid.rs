use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::bind::{Bind, Element};

/// A transaction id that never comes again: PostgreSQL's `xid8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Xid(pub(crate) u64);

impl Bind for Xid {
    const TYPE: Type = Type::XID8;
}

impl Element for Xid {
    const ARRAY: Type = Type::XID8_ARRAY;
}

impl ToSql for Xid {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.put_u64(self.0);
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::XID8
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Xid {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(u64::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::XID8
    }
}
