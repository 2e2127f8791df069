//! The one place where SQL leaves the process.
//!
//! A [`Connection`] is one transaction. It runs what sea-orm builds, and literals through [`Connection::sql`], and
//! knows of each statement its text, duration and rows, which it reports to the request and, when slow, to the log.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fairlead_domain::consistency::{LogPosition, NodeName};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;
use fairlead_telemetry::request;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, Encode, Execute as _, Postgres, Type};
use tokio::sync::Mutex;

use crate::error::{Meaning, SqlError, into_orm, unexpected};
use crate::nodes::Route;
use crate::pool::Pool;
use crate::shape::{All, Done, First, Running, Shape};
use crate::transaction::Transaction;

/// What a transaction may see and do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reach {
    Read(TenantId),
    Write(TenantId),
    /// Across tenants; the role's own policies decide.
    System,
}

/// One transaction, and all that runs in it.
pub(crate) struct Connection {
    session: Mutex<Session>,
    slow_statement: Duration,
    /// Read beside a statement that may run.
    served: std::sync::Mutex<Served>,
    writes: bool,
}

/// Where a transaction runs, and what it is known to see.
#[derive(Clone, Debug)]
struct Served {
    source: NodeName,
    sees: LogPosition,
}

struct Session {
    transaction: Transaction,
    /// Set while a statement runs. Left set, the statement failed or was given up: PostgreSQL would answer COMMIT by
    /// undoing everything, without an error.
    broken: bool,
    /// How a read goes on when its node fails.
    route: Option<Route>,
    has_read: bool,
}

/// Opens a transaction: one round trip, and the limits of the request with it.
pub(crate) async fn begin(pool: &Pool, reach: Reach) -> Result<Transaction, StoreError> {
    // After the database restarted, each idle connection of the pool fails at its first use. Nothing has happened
    // yet, so the next one is tried, down to one that is new.
    let mut stale = pool.inner.num_idle();
    loop {
        let lease = pool.acquire().await?;
        let message = first_message(reach, pool.statement_timeout()?);
        match Transaction::begin(lease, message).await {
            Ok(transaction) => {
                note_round_trip();
                return Ok(transaction);
            }
            Err(error) if stale > 0 && Meaning::of(&error) == Meaning::Unavailable => stale -= 1,
            Err(error) => return Err(SqlError::from(error).into()),
        }
    }
}

impl Connection {
    /// A transaction on the primary, which may write.
    pub(crate) fn on_primary(
        transaction: Transaction,
        pool: &Pool,
        reach: Reach,
        source: NodeName,
        sees: LogPosition,
    ) -> Self {
        Self::new(
            transaction,
            pool,
            None,
            Served { source, sees },
            !matches!(reach, Reach::Read(_)),
        )
    }

    /// A transaction that reads, on the node that `route` has led to.
    pub(crate) fn reading(transaction: Transaction, route: Route, sees: LogPosition) -> Self {
        let node = Arc::clone(route.node());
        let served = Served {
            source: node.name.clone(),
            sees,
        };
        Self::new(transaction, &node.pool, Some(route), served, false)
    }

    fn new(
        transaction: Transaction,
        pool: &Pool,
        route: Option<Route>,
        served: Served,
        writes: bool,
    ) -> Self {
        Self {
            session: Mutex::new(Session {
                transaction,
                broken: false,
                route,
                has_read: false,
            }),
            slow_statement: pool.slow_statement,
            served: std::sync::Mutex::new(served),
            writes,
        }
    }

    /// A literal statement; its values are bound.
    pub(crate) fn sql(&self, text: &'static str) -> Sql<'_> {
        Sql {
            connection: self,
            text,
            query: sqlx::query(text),
        }
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
        self.writes
    }

    fn served(&self) -> std::sync::MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the changes durable. Returns the position of the log from which on they are there; of a transaction that
    /// only reads, one that it has seen.
    pub(crate) async fn commit(self) -> Result<LogPosition, StoreError> {
        let sees = self.sees();
        let Session {
            transaction, broken, ..
        } = self.session.into_inner();
        if broken {
            return Err(unexpected("commit of a transaction in which a statement failed"));
        }
        if !self.writes {
            // Nothing to keep: it ends behind the answer, as a read that is dropped does.
            return Ok(sees);
        }
        let committed = transaction.commit().await;
        note_round_trip();
        Ok(committed.map_err(SqlError::from)?)
    }

    /// Runs a statement. A read whose replica fails meanwhile is repeated elsewhere: rows leave this function all at
    /// once or not at all, so nothing has been seen of the failed attempt.
    async fn run<S: Shape>(&self, statement: Runnable<'_>) -> sqlx::Result<S::Answer> {
        let mut session = self.session.lock().await;
        loop {
            let watch = session.begin_statement(statement.text());
            let result = session.attempt::<S>(&statement).await;
            session.end_statement(&watch, self.slow_statement, &result, S::rows);
            let failed = match result {
                Ok(answer) => {
                    session.has_read = true;
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            if !session.may_detour(&failed) {
                return Err(failed.into());
            }
            let served = session.detour(self.sees()).await.map_err(Failed::Elsewhere)?;
            *self.served() = served;
        }
    }
}

/// Ends in a `;`-separated list that holds nothing but words of ours, a UUID and a number.
fn first_message(reach: Reach, statement_timeout: Duration) -> String {
    let milliseconds = statement_timeout.as_millis();
    match reach {
        Reach::Read(tenant) => format!(
            "BEGIN READ ONLY; SET LOCAL app.current_tenant = '{}'; SET LOCAL statement_timeout = {milliseconds}",
            tenant.as_uuid()
        ),
        Reach::Write(tenant) => format!(
            "BEGIN; SET LOCAL app.current_tenant = '{}'; SET LOCAL statement_timeout = {milliseconds}",
            tenant.as_uuid()
        ),
        Reach::System => format!("BEGIN; SET LOCAL statement_timeout = {milliseconds}"),
    }
}

fn note_round_trip() {
    if let Some(request) = request::current() {
        request.note_round_trip();
    }
}

/// One statement from its start to its last row.
struct Watch<'a> {
    text: &'a str,
    started: Instant,
    prepared: usize,
}

impl Session {
    fn begin_statement<'a>(&mut self, text: &'a str) -> Watch<'a> {
        self.broken = true;
        self.transaction.held().runs(text);
        let prepared = self.transaction.connection().cached_statements_size();
        Watch {
            text,
            started: Instant::now(),
            prepared,
        }
    }

    /// `rows` counts what a successful statement returned or changed.
    fn end_statement<T>(
        &mut self,
        watch: &Watch<'_>,
        slow: Duration,
        result: &Result<T, Failed>,
        rows: impl FnOnce(&T) -> u64,
    ) {
        let duration = watch.started.elapsed();
        let rows = result.as_ref().map_or(0, rows);
        self.broken = result.is_err();
        if let Some(request) = request::current() {
            request.note_statement(duration, rows);
            request.note_round_trip();
            // The first time on a connection, PARSE takes a round trip of its own.
            if self.transaction.connection().cached_statements_size() > watch.prepared {
                request.note_round_trip();
            }
        }
        if duration >= slow {
            tracing::warn!(
                db.statement = watch.text,
                duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                rows,
                failed = result.is_err(),
                "slow statement"
            );
        }
    }

    /// Runs a statement once; on a replica no longer than until that is known to be out of reach.
    async fn attempt<S: Shape>(&mut self, statement: &Runnable<'_>) -> Result<S::Answer, Failed> {
        let node = self
            .route
            .as_ref()
            .filter(|route| route.has_detour())
            .map(|route| Arc::clone(route.node()));
        let running = statement.run::<S>(self.transaction.connection());
        let Some(node) = node else {
            return running.await.map_err(Failed::Sql);
        };
        tokio::select! {
            biased;
            result = running => result.map_err(Failed::Sql),
            () = node.lost() => Err(Failed::Lost),
        }
    }

    fn may_detour(&self, failed: &Failed) -> bool {
        let is_of_node = match failed {
            Failed::Lost => true,
            // Gone, or in the way of what it replays: "canceling statement due to conflict with recovery".
            Failed::Sql(error) => matches!(Meaning::of(error), Meaning::Unavailable | Meaning::Contended),
            Failed::Elsewhere(_) => false,
        };
        is_of_node && self.route.as_ref().is_some_and(Route::has_detour)
    }

    /// Goes on elsewhere.
    async fn detour(&mut self, sees: LogPosition) -> Result<Served, StoreError> {
        let is_first = !self.has_read;
        let route = self.route.as_mut().expect("only what has a route makes a detour");
        let (transaction, now_sees) = route.detour(is_first, sees).await?;
        let failed = std::mem::replace(&mut self.transaction, transaction);
        failed.abandon();
        Ok(Served {
            source: route.node().name.clone(),
            // What was told before holds for all that was read.
            sees: if is_first { now_sees.latest(sees) } else { sees },
        })
    }
}

/// Why a statement has no answer.
#[derive(Debug)]
pub(crate) enum Failed {
    Sql(sqlx::Error),
    /// The node is out of reach.
    Lost,
    /// The node failed, and so did beginning on another one.
    Elsewhere(StoreError),
}

/// To the ports it is one thing: the database is out of reach.
impl From<Failed> for sqlx::Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Sql(error) => error,
            Failed::Lost => Self::Io(io::Error::other("the node went out of reach")),
            Failed::Elsewhere(error) => Self::Io(io::Error::other(error)),
        }
    }
}

/// A statement that can be run more than once.
enum Runnable<'s> {
    Built(&'s Statement),
    Literal(&'static str, PgArguments),
}

impl Runnable<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Built(statement) => &statement.sql,
            Self::Literal(text, _) => text,
        }
    }

    fn run<'c, S: Shape>(&'c self, connection: &'c mut PgConnection) -> Running<'c, S::Answer> {
        match self {
            Self::Built(statement) => {
                let values = statement.values.clone().unwrap_or_else(|| Values(Vec::new()));
                // The text is what the query builder wrote; values are bound.
                let query = sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values));
                S::run(query, connection)
            }
            Self::Literal(text, arguments) => S::run(sqlx::query_with(*text, arguments.clone()), connection),
        }
    }
}

/// A literal statement with its values.
pub(crate) struct Sql<'c> {
    connection: &'c Connection,
    text: &'static str,
    query: Query<'static, Postgres, PgArguments>,
}

impl Sql<'_> {
    pub(crate) fn bind<'v, T: Encode<'v, Postgres> + Type<Postgres>>(mut self, value: T) -> Self {
        self.query = self.query.bind(value);
        self
    }

    pub(crate) async fn fetch_all(self) -> Result<Vec<PgRow>, SqlError> {
        self.run::<All>().await
    }

    pub(crate) async fn fetch_optional(self) -> Result<Option<PgRow>, SqlError> {
        self.run::<First>().await
    }

    /// The one row that this statement returns whatever it finds: an aggregate, a `RETURNING`.
    pub(crate) async fn fetch_one(self) -> Result<PgRow, SqlError> {
        self.fetch_optional()
            .await?
            .ok_or_else(|| SqlError::from(sqlx::Error::RowNotFound))
    }

    /// Returns how many rows were written.
    pub(crate) async fn execute(self) -> Result<u64, SqlError> {
        Ok(self.run::<Done>().await?.rows_affected())
    }

    async fn run<S: Shape>(mut self) -> Result<S::Answer, SqlError> {
        let arguments = self.query.take_arguments().map_err(sqlx::Error::Encode)?;
        let statement = Runnable::Literal(self.text, arguments.unwrap_or_default());
        Ok(self.connection.run::<S>(statement).await?)
    }
}

#[async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let done = self.run::<Done>(Runnable::Built(&statement)).await;
        done.map(Into::into).map_err(into_orm)
    }

    /// Nothing is sent unprepared but what opens and ends a transaction.
    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        self.execute_raw(Statement::from_string(DbBackend::Postgres, text))
            .await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let row = self.run::<First>(Runnable::Built(&statement)).await;
        row.map(|row| row.map(Into::into)).map_err(into_orm)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let rows = self.run::<All>(Runnable::Built(&statement)).await;
        rows.map(|rows| rows.into_iter().map(Into::into).collect())
            .map_err(into_orm)
    }
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_first_message_opens_the_transaction_and_sets_tenant_and_time_limit() {
        let tenant = Id::from_uuid(Uuid::from_u128(7));
        let limit = Duration::from_millis(1500);

        assert_eq!(
            first_message(Reach::Read(tenant), limit),
            "BEGIN READ ONLY; SET LOCAL app.current_tenant = '00000000-0000-0000-0000-000000000007'; \
             SET LOCAL statement_timeout = 1500"
        );
        assert_eq!(
            first_message(Reach::Write(tenant), limit),
            "BEGIN; SET LOCAL app.current_tenant = '00000000-0000-0000-0000-000000000007'; \
             SET LOCAL statement_timeout = 1500"
        );
        assert_eq!(
            first_message(Reach::System, limit),
            "BEGIN; SET LOCAL statement_timeout = 1500"
        );
    }
}
