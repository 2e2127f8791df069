//! What comes back from a statement.

use std::future::Future;
use std::pin::Pin;

use sqlx::postgres::{PgConnection, PgQueryResult, PgRow};
use sqlx::query::Query;
use sqlx::{IntoArguments, Postgres};

/// A statement under way.
pub(crate) type Running<'c, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'c>>;

/// The form of an answer.
pub(crate) trait Shape {
    type Answer: Send;

    /// Boxed, because the compiler cannot show of an unnamed future with these lifetimes that it is `Send`.
    fn run<'c, A: IntoArguments<Postgres> + Send + 'c>(
        query: Query<'c, Postgres, A>,
        connection: &'c mut PgConnection,
    ) -> Running<'c, Self::Answer>;

    /// Returned or changed.
    fn rows(answer: &Self::Answer) -> u64;
}

/// Every row.
pub(crate) struct All;
/// The first row, if there is one.
pub(crate) struct First;
/// How many rows were changed.
pub(crate) struct Done;

impl Shape for All {
    type Answer = Vec<PgRow>;

    fn run<'c, A: IntoArguments<Postgres> + Send + 'c>(
        query: Query<'c, Postgres, A>,
        connection: &'c mut PgConnection,
    ) -> Running<'c, Self::Answer> {
        Box::pin(query.fetch_all(connection))
    }

    fn rows(answer: &Self::Answer) -> u64 {
        answer.len() as u64
    }
}

impl Shape for First {
    type Answer = Option<PgRow>;

    fn run<'c, A: IntoArguments<Postgres> + Send + 'c>(
        query: Query<'c, Postgres, A>,
        connection: &'c mut PgConnection,
    ) -> Running<'c, Self::Answer> {
        Box::pin(query.fetch_optional(connection))
    }

    fn rows(answer: &Self::Answer) -> u64 {
        answer.is_some().into()
    }
}

impl Shape for Done {
    type Answer = PgQueryResult;

    fn run<'c, A: IntoArguments<Postgres> + Send + 'c>(
        query: Query<'c, Postgres, A>,
        connection: &'c mut PgConnection,
    ) -> Running<'c, Self::Answer> {
        Box::pin(query.execute(connection))
    }

    fn rows(answer: &Self::Answer) -> u64 {
        answer.rows_affected()
    }
}
