use crate::wire::Row;
use fairlead_domain::store::StoreError;

use super::Connection;
use super::transaction::Queued;
use crate::error::{SqlError, unexpected};
use crate::statement::{Arguments, Bind, Statement};

/// A literal statement with its values.
pub(crate) struct Sql<'c> {
    connection: &'c Connection,
    text: &'static str,
    arguments: Arguments,
    keeps_plan: bool,
}

impl<'c> Sql<'c> {
    pub(super) fn new(connection: &'c Connection, text: &'static str) -> Self {
        Self {
            connection,
            text,
            arguments: Arguments::default(),
            keeps_plan: false,
        }
    }

    /// Has it planned once, whatever is bound to it, where it is the first of a transaction of the platform: for one that
    /// an index answers as it stands.
    pub(crate) fn keeping_plan(mut self) -> Self {
        self.keeps_plan = true;
        self
    }

    /// Binds the next parameter.
    pub(crate) fn bind(mut self, value: impl Bind) -> Self {
        self.arguments.push(value);
        self
    }

    pub(crate) async fn fetch_all(self) -> Result<Vec<Row>, SqlError> {
        let statement = Statement::new(self.text, self.arguments)?;
        let statement = if self.keeps_plan {
            statement.keeping_plan()
        } else {
            statement
        };
        Ok(self.connection.run(statement).await?.rows)
    }

    pub(crate) async fn fetch_optional(self) -> Result<Option<Row>, SqlError> {
        Ok(self.fetch_all().await?.into_iter().next())
    }

    /// The one row that this statement returns whatever it finds: an aggregate, a `RETURNING`.
    pub(crate) async fn fetch_one(self) -> Result<Row, SqlError> {
        let missing = || unexpected("no row from a statement that always has one");
        Ok(self.fetch_optional().await?.ok_or_else(missing)?)
    }

    /// Returns how many rows were written.
    pub(crate) async fn execute(self) -> Result<u64, SqlError> {
        let statement = Statement::new(self.text, self.arguments)?;
        Ok(self.connection.run(statement).await?.count)
    }

    /// Has it sent with whatever this unit of work sends next, at the latest with COMMIT: nobody waits for its answer.
    /// When it fails, that fails in its place, and nothing is committed.
    pub(crate) async fn enqueue(self) -> Result<(), StoreError> {
        self.enqueue_or(StoreError::from).await
    }

    /// The same; `on_error` tells what a failure means.
    pub(crate) async fn enqueue_or(self, on_error: fn(SqlError) -> StoreError) -> Result<(), StoreError> {
        let statement = Statement::new(self.text, self.arguments)?;
        self.connection.enqueue(Queued { statement, on_error }).await
    }
}
