//! What rows become.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::error::SqlError;

/// What a row becomes. Columns are told by their place: those of a table stand in the order of its model's fields.
pub(crate) trait FromRow: Sized {
    fn from_row(row: &Row) -> Result<Self, SqlError> {
        Self::from_columns(&mut Columns::of(row, 0))
    }

    /// Takes its columns.
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError>;
}

/// The columns of a row, taken one after the other.
pub(crate) struct Columns<'r> {
    row: &'r Row,
    next: usize,
}

impl<'r> Columns<'r> {
    /// Those from `first` on.
    pub(crate) fn of(row: &'r Row, first: usize) -> Self {
        Self { row, next: first }
    }

    /// The next one. A text may be borrowed from the row.
    pub(crate) fn take<T: FromSql<'r>>(&mut self) -> Result<T, SqlError> {
        let value = self.row.try_get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// Passes one by that is known already.
    pub(crate) fn skip(&mut self) {
        self.next += 1;
    }
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
