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
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, QueryTrait, Statement, Value, Values,
};
use sea_query_sqlx::SqlxValues;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, Encode, Execute as _, Postgres, Type};
use tokio::sync::Mutex;
use tokio_postgres::Row;

use crate::commit::CommitError;
use crate::error::{Meaning, SqlError, from_orm, into_orm, unexpected};
use crate::nodes::{Node, Route};
use crate::pipeline::{Answer, Failure, Parameters, Read};
use crate::pool::Pool;
use crate::rows::FromRow;
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
    /// `None` while a transaction that only reads has not begun: what pipelines read needs none.
    transaction: Option<Transaction>,
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
            Some(transaction),
            pool,
            None,
            Served { source, sees },
            !matches!(reach, Reach::Read(_)),
        )
    }

    /// A transaction that reads, on the node that `route` has led to. Nothing is sent before its first statement.
    pub(crate) fn reading(route: Route) -> Self {
        let node = Arc::clone(route.node());
        let served = Served {
            source: node.name.clone(),
            sees: node.position(),
        };
        Self::new(None, &node.pool, Some(route), served, false)
    }

    fn new(
        transaction: Option<Transaction>,
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
    pub(crate) async fn commit(self) -> Result<LogPosition, CommitError> {
        let sees = self.sees();
        let Session {
            transaction, broken, ..
        } = self.session.into_inner();
        if broken {
            let error = unexpected("commit of a transaction in which a statement failed");
            return Err(CommitError::Refused(error));
        }
        if !self.writes {
            // Nothing to keep: it ends behind the answer, as a read that is dropped does.
            return Ok(sees);
        }
        let transaction = transaction.expect("what writes has begun");
        let committed = transaction.commit().await;
        note_round_trip();
        committed.map_err(|error| CommitError::InDoubt(SqlError::from(error).into()))
    }

    /// Reads what a select built by the query builder finds.
    pub(crate) async fn select<T: FromRow>(&self, select: &impl QueryTrait) -> Result<Vec<T>, StoreError> {
        self.read(select.build(DbBackend::Postgres)).await
    }

    /// The one row that a select finds, if any.
    pub(crate) async fn select_one<T: FromRow>(
        &self,
        select: &impl QueryTrait,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.select(select).await?.into_iter().next())
    }

    /// Reads what a literal select finds; its values are bound.
    pub(crate) async fn rows<T: FromRow>(
        &self,
        text: &'static str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<T>, StoreError> {
        self.read(Statement::from_sql_and_values(DbBackend::Postgres, text, values))
            .await
    }

    async fn read<T: FromRow>(&self, statement: Statement) -> Result<Vec<T>, StoreError> {
        if let Some(rows) = self.read_pipelined(&statement).await? {
            let rows = rows.iter().map(T::from_pipelined_row);
            return Ok(rows.collect::<Result<_, _>>().map_err(SqlError::from)?);
        }
        let rows = self.run::<All>(Runnable::Built(&statement)).await;
        let rows = rows.map_err(SqlError::from)?.into_iter().map(QueryResult::from);
        rows.map(|row| T::from_row(&row))
            .collect::<Result<_, _>>()
            .map_err(from_orm)
    }

    /// Reads in one round trip; `None` where the transaction has begun, or the node has no pipelines.
    async fn read_pipelined(&self, statement: &Statement) -> Result<Option<Vec<Row>>, StoreError> {
        let mut session = self.session.lock().await;
        let mut parameters = None;
        loop {
            let Session {
                transaction: None,
                route: Some(route),
                has_read,
                ..
            } = &mut *session
            else {
                return Ok(None);
            };
            let node = Arc::clone(route.node());
            let Some(pipelines) = &node.pipelines else {
                return Ok(None);
            };
            let parameters = parameters.get_or_insert_with(|| Parameters::of(statement));
            let begin = first_message(Reach::Read(route.tenant()), node.pool.statement_timeout()?);
            let read = Read {
                begin: &begin,
                text: &statement.sql,
                parameters: &parameters.as_refs(),
            };
            let started = Instant::now();
            let answer = route.attempt(pipelines.read(&read)).await;
            note(&statement.sql, started, self.slow_statement, &answer);
            let error = match answer {
                Ok(answer) => {
                    *has_read = true;
                    return Ok(Some(answer.rows));
                }
                Err(error) => error,
            };
            if !(route.has_detour() && error.may_detour()) {
                return Err(error.into());
            }
            let is_first = !*has_read;
            let sees = self.sees();
            let now_sees = route.redirect(is_first, sees)?;
            let served = Served::after_detour(route.node(), is_first, sees, now_sees);
            *self.served() = served;
        }
    }

    /// Runs a statement. A read whose replica fails meanwhile is repeated elsewhere: rows leave this function all at
    /// once or not at all, so nothing has been seen of the failed attempt.
    async fn run<S: Shape>(&self, statement: Runnable<'_>) -> sqlx::Result<S::Answer> {
        let mut session = self.session.lock().await;
        if let Some(served) = session.open().await.map_err(Failed::Elsewhere)? {
            *self.served() = served;
        }
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

/// Reports a statement that pipelines have read.
fn note(text: &str, started: Instant, slow: Duration, answer: &Result<Answer, Failure>) {
    let duration = started.elapsed();
    let rows = answer.as_ref().map_or(0, |answer| answer.rows.len() as u64);
    if let Some(request) = request::current() {
        request.note_statement(duration, rows);
        for _ in 0..answer.as_ref().map_or(1, |answer| answer.round_trips) {
            request.note_round_trip();
        }
    }
    if duration >= slow {
        warn_of_slow(text, duration, rows, answer.is_err());
    }
}

fn warn_of_slow(text: &str, duration: Duration, rows: u64, failed: bool) {
    tracing::warn!(
        db.statement = text,
        duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        rows,
        failed,
        "slow statement"
    );
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
        let transaction = self.transaction.as_mut().expect("it was opened");
        transaction.held().runs(text);
        let prepared = transaction.connection().cached_statements_size();
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
            let transaction = self.transaction.as_mut().expect("it was opened");
            if transaction.connection().cached_statements_size() > watch.prepared {
                request.note_round_trip();
            }
        }
        if duration >= slow {
            warn_of_slow(watch.text, duration, rows, result.is_err());
        }
    }

    /// Runs a statement once; on a replica no longer than until that is known to be out of reach.
    async fn attempt<S: Shape>(&mut self, statement: &Runnable<'_>) -> Result<S::Answer, Failed> {
        let node = self
            .route
            .as_ref()
            .filter(|route| route.has_detour())
            .map(|route| Arc::clone(route.node()));
        let transaction = self.transaction.as_mut().expect("it was opened");
        let running = statement.run::<S>(transaction.connection());
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
        route.redirect(is_first, sees)?;
        let (transaction, now_sees) = Box::pin(route.begin()).await?;
        if let Some(failed) = self.transaction.replace(transaction) {
            failed.abandon();
        }
        Ok(Served::after_detour(route.node(), is_first, sees, now_sees))
    }

    /// Begins the transaction if it has not begun. Returns where, when that is news.
    async fn open(&mut self) -> Result<Option<Served>, StoreError> {
        if self.transaction.is_some() {
            return Ok(None);
        }
        let route = self.route.as_mut().expect("what has no route has begun");
        let (transaction, sees) = Box::pin(route.begin()).await?;
        self.transaction = Some(transaction);
        // After a statement was read by pipelines, on the same node, more is seen, but not by that one.
        Ok((!self.has_read).then(|| Served {
            source: route.node().name.clone(),
            sees,
        }))
    }
}

impl Served {
    fn after_detour(node: &Node, is_first: bool, sees: LogPosition, now_sees: LogPosition) -> Self {
        Self {
            source: node.name.clone(),
            // What was told before holds for all that was read.
            sees: if is_first { now_sees.latest(sees) } else { sees },
        }
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
