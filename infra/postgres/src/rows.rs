//! What rows become.

use tokio_postgres::types::FromSql;

use crate::error::SqlError;
use crate::wire::{Columns, Row};

/// What a row becomes. Columns are told by their place: those of a table stand in the order of its model's fields.
pub(crate) trait FromRow: Sized {
    fn from_row(row: &Row) -> Result<Self, SqlError> {
        Self::from_columns(&mut row.columns())
    }

    /// Takes its columns.
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError>;
}

macro_rules! tuples {
    ($(($($name:ident),*))*) => {$(
        impl<$($name),*> FromRow for ($($name,)*)
        where
            $($name: for<'r> FromSql<'r>),*
        {
            fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError> {
                Ok(($(columns.take::<$name>()?,)*))
            }
        }
    )*};
}

tuples! {
    (A)
    (A, B)
    (A, B, C)
}
