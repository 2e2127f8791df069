//! Rows as they lie in the tables that are read through the query builder, and how each becomes what the domain knows.
//! Generated columns are left out: they serve indexes alone.

pub(crate) mod activity;
pub(crate) mod api_key;
mod by_id;
pub(crate) mod carrier;
mod json_text;
pub(crate) mod lead;
pub(crate) mod tenant;
pub(crate) mod user;

use fairlead_domain::store::StoreError;
use tokio_postgres::Row;

use crate::error::SqlError;
use crate::rows::FromRow;

pub(crate) use by_id::ById;
pub(crate) use json_text::JsonText;

/// Reads a row of a literal statement that selects the columns of `M` in their order, from the column `first` on.
pub(crate) fn model<M: FromRow>(row: &Row, first: usize) -> Result<M, StoreError> {
    Ok(M::from_columns(row, first).map_err(SqlError::from)?)
}

/// Turns rows into what the domain knows.
pub(crate) fn into_domain<M, T>(rows: Vec<M>) -> Result<Vec<T>, StoreError>
where
    T: TryFrom<M, Error = StoreError>,
{
    rows.into_iter().map(T::try_from).collect()
}
