use std::sync::Arc;

use bytes::Bytes;
use tokio_postgres::types::{FromSql, Type, WrongType};

use super::Error;

/// A row as it came: values behind their lengths. Nothing is copied, nor looked up before it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    values: Bytes,
    types: Arc<[Type]>,
}

impl Row {
    /// `values` is the body of a `DataRow` behind the number of its columns.
    pub(crate) fn new(values: Bytes, types: Arc<[Type]>) -> Self {
        Self { values, types }
    }

    /// The value of a column, counted from 0. A text may be borrowed from the row.
    pub(crate) fn try_get<'r, T: FromSql<'r>>(&'r self, column: usize) -> Result<T, Error> {
        self.columns_from(column)?.take()
    }

    /// Its columns, one after the other, from one on.
    pub(crate) fn columns_from(&self, first: usize) -> Result<Columns<'_>, Error> {
        let mut columns = self.columns();
        for _ in 0..first {
            columns.skip()?;
        }
        Ok(columns)
    }

    /// Its columns, one after the other.
    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns {
            rest: &self.values,
            types: &self.types,
            next: 0,
        }
    }
}

/// The columns of a row, taken one after the other: cheaper than each by its number.
#[derive(Debug)]
pub(crate) struct Columns<'r> {
    rest: &'r [u8],
    types: &'r [Type],
    next: usize,
}

impl<'r> Columns<'r> {
    /// The next one.
    pub(crate) fn take<T: FromSql<'r>>(&mut self) -> Result<T, Error> {
        let column = self.next;
        let kind = self
            .types
            .get(column)
            .ok_or_else(|| Error::Protocol("fewer columns than asked for"))?;
        let value = self.value()?;
        let read = if T::accepts(kind) {
            T::from_sql_nullable(kind, value)
        } else {
            Err(WrongType::new::<T>(kind.clone()).into())
        };
        read.map_err(|source| Error::Column { column, source })
    }

    /// Passes one by that is known already.
    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        self.value().map(drop)
    }

    fn value(&mut self) -> Result<Option<&'r [u8]>, Error> {
        let short = || Error::Protocol("a row that is shorter than its values");
        let (length, rest) = self.rest.split_first_chunk().ok_or_else(short)?;
        self.next += 1;
        // A negative length is NULL.
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.rest = rest;
            return Ok(None);
        };
        let (value, rest) = rest.split_at_checked(length).ok_or_else(short)?;
        self.rest = rest;
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let values = [&[0, 0, 0, 4, 0, 0, 0, 7][..], &[255; 4], &[0, 0, 0, 2], b"ab"].concat();
        Row::new(values.into(), [Type::INT4, Type::TEXT, Type::TEXT].into())
    }

    #[test]
    fn values_are_read_in_any_order() {
        let row = row();

        assert_eq!(row.try_get::<&str>(2).unwrap(), "ab");
        assert_eq!(row.try_get::<Option<String>>(1).unwrap(), None);
        assert_eq!(row.try_get::<i32>(0).unwrap(), 7);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let row = row();

        assert!(row.try_get::<i64>(0).is_err());
        assert!(row.try_get::<String>(1).is_err());
        assert!(row.try_get::<i32>(3).is_err());
        let cut = Row::new(row.values.slice(..9), Arc::clone(&row.types));
        assert!(cut.try_get::<Option<&str>>(1).is_err());
    }
}
