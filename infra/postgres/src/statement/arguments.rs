use std::error::Error;
use std::fmt;
use std::ops::Range;

use bytes::BytesMut;
use sea_orm::Value;
use tokio_postgres::types::{IsNull, Type};
use uuid::Uuid;

use super::Bind;

type Fault = Box<dyn Error + Sync + Send>;

/// The values of a statement, encoded as they are bound: what cannot be encoded is found before anything is sent.
#[derive(Default)]
pub(crate) struct Arguments {
    types: Vec<Type>,
    /// Where each value lies in `bytes`; `None` is NULL.
    values: Vec<Option<Range<usize>>>,
    bytes: BytesMut,
    fault: Option<Fault>,
}

impl Arguments {
    /// Those that the query builder has bound.
    pub(crate) fn of(values: impl IntoIterator<Item = Value>) -> Self {
        let mut arguments = Self::default();
        for value in values {
            arguments.push_value(value);
        }
        arguments
    }

    /// Binds the next value. One that cannot be encoded is told of by [`checked`](Self::checked).
    pub(crate) fn push<T: Bind>(&mut self, value: T) {
        let start = self.bytes.len();
        let value = match value.to_sql_checked(&T::TYPE, &mut self.bytes) {
            Ok(IsNull::No) => Some(start..self.bytes.len()),
            Ok(IsNull::Yes) => None,
            Err(fault) => {
                self.fault.get_or_insert(fault);
                None
            }
        };
        self.types.push(T::TYPE);
        self.values.push(value);
    }

    fn push_value(&mut self, value: Value) {
        match value {
            Value::Bool(value) => self.push(value),
            Value::Int(value) => self.push(value),
            Value::BigInt(value) => self.push(value),
            // LIMIT and OFFSET, which PostgreSQL counts in signed numbers.
            Value::BigUnsigned(value) => match value.map(i64::try_from).transpose() {
                Ok(value) => self.push(value),
                Err(error) => self.refuse(error.into()),
            },
            Value::String(value) => self.push(value),
            Value::Uuid(value) => self.push(value),
            Value::TimeDateTimeWithTimeZone(value) => self.push(value),
            Value::Array(_, Some(values)) => match uuids(&values) {
                Ok(values) => self.push(values),
                Err(fault) => self.refuse(fault),
            },
            other => self.refuse(format!("no argument of a statement: {other:?}").into()),
        }
    }

    fn refuse(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Fails when a value could not be encoded.
    pub(super) fn checked(mut self) -> Result<Self, Fault> {
        match self.fault.take() {
            None => Ok(self),
            Some(fault) => Err(fault),
        }
    }

    /// The types to declare when the statement is prepared.
    pub(crate) fn types(&self) -> &[Type] {
        &self.types
    }

    /// Each value as it is sent; `None` is NULL.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        self.values
            .iter()
            .map(|value| value.as_ref().map(|range| &self.bytes[range.clone()]))
    }
}

fn uuids(values: &[Value]) -> Result<Vec<Uuid>, Fault> {
    values
        .iter()
        .map(|value| match value {
            Value::Uuid(Some(id)) => Ok(*id),
            other => Err(format!("no element of an array of a statement: {other:?}").into()),
        })
        .collect()
}

/// Without the values, which may be personal.
impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arguments")
            .field("types", &self.types)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(arguments: &Arguments) -> Vec<Option<Vec<u8>>> {
        arguments.iter().map(|value| value.map(<[u8]>::to_vec)).collect()
    }

    #[test]
    fn values_are_bound_in_their_order_and_with_their_types() {
        let mut arguments = Arguments::default();

        arguments.push("ab");
        arguments.push(None::<Uuid>);
        arguments.push(7);
        arguments.push(vec![Some("x"), None]);

        assert_eq!(
            arguments.types(),
            [Type::TEXT, Type::UUID, Type::INT4, Type::TEXT_ARRAY]
        );
        let bytes = encoded(&arguments.checked().unwrap());
        assert_eq!(bytes[..3], [Some(b"ab".to_vec()), None, Some(vec![0, 0, 0, 7])]);
    }

    #[test]
    fn what_the_query_builder_binds_is_bound_alike() {
        let built = Arguments::of(["ab".into(), 7.into(), Value::Uuid(None), 9_u64.into()]);

        assert_eq!(built.types(), [Type::TEXT, Type::INT4, Type::UUID, Type::INT8]);
        assert_eq!(encoded(&built)[3], Some(vec![0, 0, 0, 0, 0, 0, 0, 9]));
    }

    #[test]
    fn what_cannot_be_bound_is_told_before_anything_is_sent() {
        assert!(Arguments::of([u64::MAX.into()]).checked().is_err());
        assert!(Arguments::of([Value::Char(None)]).checked().is_err());
    }
}
