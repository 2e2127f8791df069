//! The one place where SQL leaves the process.
//!
//! A [`Connection`] is one transaction. It runs what sea-orm builds, and literals through [`Connection::sql`], and
//! knows of each statement its text, duration and rows, which it reports to the request and, when slow, to the log.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use fairlead_domain::consistency::{LogPosition, NodeName};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;
use fairlead_telemetry::request;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::postgres::{PgArguments, PgConnection, PgQueryResult, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, Encode, Executor as _, Postgres, Type};
use tokio::sync::Mutex;

use crate::error::{Meaning, SqlError, into_orm, unexpected};
use crate::pool::Pool;
use crate::transaction::Transaction;

/// What a transaction may see and do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reach {
    Read(TenantId),
    Write(TenantId),
    /// Across tenants; the role's own policies decide.
    System,
}

pub(crate) struct Connection {
    session: Mutex<Session>,
    slow_statement: Duration,
    reach: Reach,
    source: NodeName,
    sees: LogPosition,
}

struct Session {
    transaction: Transaction,
    /// Set while a statement runs. Left set, the statement failed or was given up: PostgreSQL would answer COMMIT by
    /// undoing everything, without an error.
    broken: bool,
}

impl Connection {
    /// Opens a transaction: one round trip, and the limits of the request with it.
    pub(crate) async fn open(
        pool: &Pool,
        reach: Reach,
        source: NodeName,
        sees: LogPosition,
    ) -> Result<Self, StoreError> {
        // After the database restarted, each idle connection of the pool fails at its first use. Nothing has happened
        // yet, so the next one is tried, down to one that is new.
        let mut stale = pool.inner.num_idle();
        loop {
            let connection = pool.acquire().await?;
            let message = first_message(reach, pool.statement_timeout()?);
            match Transaction::begin(connection, message).await {
                Ok(transaction) => {
                    note_round_trip();
                    let session = Session {
                        transaction,
                        broken: false,
                    };
                    return Ok(Self {
                        session: Mutex::new(session),
                        slow_statement: pool.slow_statement,
                        reach,
                        source,
                        sees,
                    });
                }
                Err(error) if stale > 0 && Meaning::of(&error) == Meaning::Unavailable => stale -= 1,
                Err(error) => return Err(SqlError::from(error).into()),
            }
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
        self.source.clone()
    }

    /// A position of the log that it sees at least.
    pub(crate) fn sees(&self) -> LogPosition {
        self.sees
    }

    pub(crate) fn writes(&self) -> bool {
        !matches!(self.reach, Reach::Read(_))
    }

    /// Makes the changes durable. Returns the position of the log from which on they are there; of a transaction that
    /// only reads, one that it has seen.
    pub(crate) async fn commit(self) -> Result<LogPosition, StoreError> {
        let Session { transaction, broken } = self.session.into_inner();
        if broken {
            return Err(unexpected("commit of a transaction in which a statement failed"));
        }
        if let Reach::Read(_) = self.reach {
            // Nothing to keep: it ends behind the answer, as a read that is dropped does.
            return Ok(self.sees);
        }
        let committed = transaction.commit().await;
        note_round_trip();
        Ok(committed.map_err(SqlError::from)?)
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
        let prepared = self.connection().cached_statements_size();
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
        result: &sqlx::Result<T>,
        rows: impl FnOnce(&T) -> u64,
    ) {
        let duration = watch.started.elapsed();
        let rows = result.as_ref().map_or(0, rows);
        self.broken = result.is_err();
        if let Some(request) = request::current() {
            request.note_statement(duration, rows);
            request.note_round_trip();
            // The first time on a connection, PARSE takes a round trip of its own.
            if self.connection().cached_statements_size() > watch.prepared {
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

    fn connection(&mut self) -> &mut PgConnection {
        self.transaction.connection()
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
        let mut session = self.connection.session.lock().await;
        let watch = session.begin_statement(self.text);
        let result = self.query.fetch_all(session.connection()).await;
        session.end_statement(&watch, self.connection.slow_statement, &result, |rows| {
            rows.len() as u64
        });
        Ok(result?)
    }

    pub(crate) async fn fetch_optional(self) -> Result<Option<PgRow>, SqlError> {
        let mut session = self.connection.session.lock().await;
        let watch = session.begin_statement(self.text);
        let result = self.query.fetch_optional(session.connection()).await;
        session.end_statement(&watch, self.connection.slow_statement, &result, |row| {
            row.is_some().into()
        });
        Ok(result?)
    }

    /// The one row that this statement returns whatever it finds: an aggregate, a `RETURNING`.
    pub(crate) async fn fetch_one(self) -> Result<PgRow, SqlError> {
        self.fetch_optional()
            .await?
            .ok_or_else(|| SqlError::from(sqlx::Error::RowNotFound))
    }

    /// Returns how many rows were written.
    pub(crate) async fn execute(self) -> Result<u64, SqlError> {
        let mut session = self.connection.session.lock().await;
        let watch = session.begin_statement(self.text);
        let result = self
            .query
            .execute(session.connection())
            .await
            .map(|done| done.rows_affected());
        session.end_statement(&watch, self.connection.slow_statement, &result, |rows| *rows);
        Ok(result?)
    }
}

fn built(statement: &Statement) -> Query<'_, Postgres, SqlxValues> {
    let values = statement.values.clone().unwrap_or_else(|| Values(Vec::new()));
    // The text is what the query builder wrote; values are bound.
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

#[async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut session = self.session.lock().await;
        let watch = session.begin_statement(&statement.sql);
        let result = built(&statement).execute(session.connection()).await;
        session.end_statement(&watch, self.slow_statement, &result, PgQueryResult::rows_affected);
        result.map(Into::into).map_err(into_orm)
    }

    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        let mut session = self.session.lock().await;
        let watch = session.begin_statement(text);
        let result = session.connection().execute(AssertSqlSafe(text.to_owned())).await;
        session.end_statement(&watch, self.slow_statement, &result, PgQueryResult::rows_affected);
        result.map(Into::into).map_err(into_orm)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut session = self.session.lock().await;
        let watch = session.begin_statement(&statement.sql);
        let result = built(&statement).fetch_optional(session.connection()).await;
        session.end_statement(&watch, self.slow_statement, &result, |row| row.is_some().into());
        result.map(|row| row.map(Into::into)).map_err(into_orm)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut session = self.session.lock().await;
        let watch = session.begin_statement(&statement.sql);
        let result = built(&statement).fetch_all(session.connection()).await;
        session.end_statement(&watch, self.slow_statement, &result, |rows| rows.len() as u64);
        result
            .map(|rows| rows.into_iter().map(Into::into).collect())
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
