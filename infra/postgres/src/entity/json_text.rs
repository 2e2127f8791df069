use std::error::Error;

use sea_orm::DeriveValueType;
use tokio_postgres::types::{FromSql, Type, accepts};

/// What a `jsonb` shows, not taken apart.
#[derive(Clone, Debug, PartialEq, Eq, DeriveValueType)]
pub struct JsonText(pub String);

impl<'r> FromSql<'r> for JsonText {
    /// The binary form is the text behind the number of the form's version (`jsonb_send` of PostgreSQL).
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match raw {
            [1, text @ ..] => Ok(Self(str::from_utf8(text)?.to_owned())),
            _ => Err("a jsonb in a form that is not known".into()),
        }
    }

    accepts!(JSONB);
}
