use std::time::Duration;

use time::{Date, OffsetDateTime};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// What can be bound to a literal statement, and as which type. The type is declared to the server, which would
/// otherwise guess one from the place of the parameter: `date_trunc('minute', $1)` leaves it three to choose from.
pub(crate) trait Bind: ToSql {
    const TYPE: Type;
}

/// A duration as a number to bind, in milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What can stand in an array that is bound.
pub(crate) trait Element: Bind {
    const ARRAY: Type;
}

macro_rules! bind {
    ($($type:ty: $name:ident, $array:ident;)*) => {$(
        impl Bind for $type {
            const TYPE: Type = Type::$name;
        }

        impl Element for $type {
            const ARRAY: Type = Type::$array;
        }
    )*};
}

bind! {
    bool: BOOL, BOOL_ARRAY;
    i32: INT4, INT4_ARRAY;
    i64: INT8, INT8_ARRAY;
    f64: FLOAT8, FLOAT8_ARRAY;
    &str: TEXT, TEXT_ARRAY;
    String: TEXT, TEXT_ARRAY;
    &[u8]: BYTEA, BYTEA_ARRAY;
    Vec<u8>: BYTEA, BYTEA_ARRAY;
    Uuid: UUID, UUID_ARRAY;
    Date: DATE, DATE_ARRAY;
    OffsetDateTime: TIMESTAMPTZ, TIMESTAMPTZ_ARRAY;
}

impl<T: Bind> Bind for Option<T> {
    const TYPE: Type = T::TYPE;
}

impl<T: Element> Element for Option<T> {
    const ARRAY: Type = T::ARRAY;
}

impl<T: Bind> Bind for &T {
    const TYPE: Type = T::TYPE;
}

impl<T: Element> Bind for Vec<T> {
    const TYPE: Type = T::ARRAY;
}

impl<T: Element> Bind for &[T] {
    const TYPE: Type = T::ARRAY;
}
