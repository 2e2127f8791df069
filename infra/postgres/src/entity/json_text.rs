use std::error::Error;

use tokio_postgres::types::{FromSql, Type, accepts};

/// What a `jsonb` shows, not taken apart.
pub(crate) struct JsonText<'r>(pub(crate) &'r str);

impl<'r> FromSql<'r> for JsonText<'r> {
    /// The binary form is the text behind the number of the form's version (`jsonb_send` of PostgreSQL).
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match raw {
            [1, text @ ..] => Ok(Self(str::from_utf8(text)?)),
            _ => Err("a jsonb in a form that is not known".into()),
        }
    }

    accepts!(JSONB);
}
