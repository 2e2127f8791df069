//! The one place where SQL leaves the process.
//!
//! A [`Connection`] is what a unit of work speaks to the database through. One that writes is one transaction on the
//! primary ([`transaction`]); one that reads runs each statement in a transaction of its own, on the node that its route
//! leads to ([`reading`]). Both know of each statement its text, duration and rows, and how often the database was
//! waited for ([`cost`]).

mod by_id;
mod cost;
mod meters;
mod opening;
mod reading;
mod sql;
mod transaction;

use std::sync::{Arc, PoisonError};

use crate::wire::Row;
use fairlead_domain::consistency::{LogPosition, NodeName};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;
use sea_orm::{DbBackend, QueryTrait, Value};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::commit::CommitError;
use crate::entity::ById;
use crate::error::SqlError;
use crate::nodes::{Cluster, Route};
use crate::pool::{Answer, Pool};
use crate::rows::FromRow;
use crate::statement::{Arguments, Statement};
pub(crate) use by_id::ReadsById;
use by_id::statement;
pub use by_id::{MOST_TOGETHER, abreast};
pub(crate) use meters::PgStatementMeters;
use reading::Reading;
pub(crate) use sql::Sql;
use transaction::{Queued, Transaction};

/// What a transaction that writes may see and do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reach {
    Write(TenantId),
    /// Across tenants; the role's own policies decide.
    System,
}

/// A unit of work's way to the database. Nothing is sent before its first statement.
pub(crate) struct Connection {
    mode: Mode,
    /// Read beside a statement that may run.
    served: std::sync::Mutex<Served>,
}

enum Mode {
    Reads(Mutex<Reading>),
    Writes(Mutex<Transaction>),
}

/// Where it runs, and what it is known to see.
#[derive(Clone, Debug)]
struct Served {
    source: NodeName,
    sees: LogPosition,
}

impl Connection {
    /// A transaction on the primary, which may write.
    pub(crate) fn writing(cluster: Arc<Cluster>, pool: Pool, reach: Reach) -> Self {
        let primary = cluster.primary();
        let served = Served {
            source: primary.name.clone(),
            sees: primary.position(),
        };
        Self {
            mode: Mode::Writes(Mutex::new(Transaction::new(cluster, pool, reach))),
            served: std::sync::Mutex::new(served),
        }
    }

    /// Statements that read, on the node that `route` has led to.
    pub(crate) fn reading(route: Route) -> Self {
        let node = route.node();
        let served = Served {
            source: node.name.clone(),
            sees: node.position(),
        };
        Self {
            mode: Mode::Reads(Mutex::new(Reading::new(route))),
            served: std::sync::Mutex::new(served),
        }
    }

    /// A literal statement; its values are bound.
    pub(crate) fn sql(&self, text: &'static str) -> Sql<'_> {
        Sql::new(self, text)
    }

    /// The node that it runs on.
    pub(crate) fn source(&self) -> NodeName {
        self.served().source.clone()
    }

    /// A position of the log that it sees at least.
    pub(crate) fn sees(&self) -> LogPosition {
        self.served().sees
    }

    pub(crate) fn writes(&self) -> bool {
        matches!(self.mode, Mode::Writes(_))
    }

    /// Whether a transaction was begun, so that a connection is held.
    pub(crate) async fn is_open(&self) -> bool {
        match &self.mode {
            Mode::Writes(transaction) => transaction.lock().await.is_open(),
            Mode::Reads(_) => false,
        }
    }

    fn served(&self) -> std::sync::MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the changes durable. Returns the position of the log from which on they are there; of what only reads, one
    /// that it has seen.
    pub(crate) async fn commit(self) -> Result<LogPosition, CommitError> {
        let sees = self.sees();
        match self.mode {
            Mode::Reads(_) => Ok(sees),
            Mode::Writes(transaction) => {
                let position = transaction.into_inner().commit().await?;
                // Nothing was sent, so nothing was written.
                Ok(position.unwrap_or(sees))
            }
        }
    }

    /// Reads what a select built by the query builder finds.
    pub(crate) async fn select<T: FromRow>(&self, select: &impl QueryTrait) -> Result<Vec<T>, StoreError> {
        let statement = Statement::built(select.build(DbBackend::Postgres))?;
        self.read(statement).await
    }

    /// The same of a select that an index answers as it stands, whatever is bound to it.
    pub(crate) async fn select_keeping_plan<T: FromRow>(
        &self,
        select: &impl QueryTrait,
    ) -> Result<Vec<T>, StoreError> {
        let statement = Statement::built(select.build(DbBackend::Postgres))?;
        self.read(statement.keeping_plan()).await
    }

    /// The one row that a select finds, if any.
    pub(crate) async fn select_one<T: FromRow>(
        &self,
        select: &impl QueryTrait,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.select(select).await?.into_iter().next())
    }

    /// That of a tenant with this id. A unit of work that reads may have it found together with those of others.
    pub(crate) async fn find<T: ById>(&self, tenant: TenantId, id: Uuid) -> Result<Option<T>, StoreError> {
        let row = match &self.mode {
            Mode::Writes(_) => self.one(statement(&T::selects().one, tenant, id)?).await?,
            Mode::Reads(reading) => {
                let mut reading = reading.lock().await;
                let detour = |served| *self.served() = served;
                reading.find::<T>(tenant, id, self.sees(), detour).await?
            }
        };
        Ok(row.as_deref().map(T::from_row).transpose()?)
    }

    /// The same, kept from others who would write it.
    pub(crate) async fn find_for_update<T: ById>(
        &self,
        tenant: TenantId,
        id: Uuid,
    ) -> Result<Option<T>, StoreError> {
        let statement = statement(&T::selects().one_for_update, tenant, id)?;
        let row = self.one(statement).await?;
        Ok(row.as_deref().map(T::from_row).transpose()?)
    }

    async fn one(&self, statement: Statement) -> Result<Option<Arc<Row>>, SqlError> {
        Ok(self.run(statement).await?.rows.into_iter().next().map(Arc::new))
    }

    /// Reads what a literal select finds; its values are bound.
    pub(crate) async fn rows<T: FromRow>(
        &self,
        text: &'static str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<T>, StoreError> {
        self.read(Statement::new(text, Arguments::of(values))?).await
    }

    async fn read<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>, StoreError> {
        let answer = self.run(statement).await?;
        let rows = answer.rows.iter().map(T::from_row);
        Ok(rows.collect::<Result<_, _>>()?)
    }

    async fn run(&self, statement: Statement) -> Result<Answer, SqlError> {
        match &self.mode {
            Mode::Writes(transaction) => transaction.lock().await.run(statement).await,
            Mode::Reads(reading) => {
                let mut reading = reading.lock().await;
                let detour = |served| *self.served() = served;
                reading.run(&statement, self.sees(), detour).await
            }
        }
    }

    /// Has a statement sent with whatever is sent next, at the latest with COMMIT.
    async fn enqueue(&self, queued: Queued) -> Result<(), StoreError> {
        match &self.mode {
            Mode::Writes(transaction) => {
                transaction.lock().await.enqueue(queued);
                Ok(())
            }
            // For the database to refuse.
            Mode::Reads(_) => self
                .run(queued.statement)
                .await
                .map(drop)
                .map_err(queued.on_error),
        }
    }
}
