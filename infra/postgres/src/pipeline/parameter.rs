use std::error::Error;

use bytes::BytesMut;
use sea_orm::{Statement, Value};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

/// The values that the query builder bound, for the driver of the pipelines.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<Parameter>);

#[derive(Debug)]
struct Parameter(Value);

impl Parameters {
    pub(crate) fn of(statement: &Statement) -> Self {
        let values = statement.values.iter().flat_map(|values| &values.0);
        Self(values.cloned().map(Parameter).collect())
    }

    pub(crate) fn as_refs(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.0.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
    }
}

type Fault = Box<dyn Error + Sync + Send>;

impl ToSql for Parameter {
    fn to_sql(&self, wanted: &Type, out: &mut BytesMut) -> Result<IsNull, Fault> {
        match &self.0 {
            Value::Bool(value) => value.to_sql_checked(wanted, out),
            Value::Int(value) => value.to_sql_checked(wanted, out),
            Value::BigInt(value) => value.to_sql_checked(wanted, out),
            // LIMIT and OFFSET, which PostgreSQL counts in signed numbers.
            Value::BigUnsigned(value) => value.map(i64::try_from).transpose()?.to_sql_checked(wanted, out),
            Value::String(value) => value.to_sql_checked(wanted, out),
            Value::Uuid(value) => value.to_sql_checked(wanted, out),
            Value::TimeDateTimeWithTimeZone(value) => value.to_sql_checked(wanted, out),
            Value::Array(_, Some(values)) => uuids(values)?.to_sql_checked(wanted, out),
            other => Err(format!("no parameter of a pipelined read: {other:?}").into()),
        }
    }

    /// Which types fit depends on the value, so `to_sql` checks.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn uuids(values: &[Value]) -> Result<Vec<Uuid>, Fault> {
    values
        .iter()
        .map(|value| match value {
            Value::Uuid(Some(id)) => Ok(*id),
            other => Err(format!("no element of an array of a pipelined read: {other:?}").into()),
        })
        .collect()
}
