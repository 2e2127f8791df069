//! A transaction that leaves nothing behind, whenever it is dropped.
//!
//! `sqlx::Transaction` does so once it is open: dropping it queues a ROLLBACK, which the pool flushes, behind the answer
//! of a statement that may still be under way, before it lends the connection again. But when the future that opens it
//! is dropped, or fails, after BEGIN was sent, sqlx 0.9 counts no transaction yet and queues nothing: the connection
//! goes back to the pool inside a transaction, with its tenant set. So this type opens the transaction itself.

use std::time::Duration;

use fairlead_domain::consistency::LogPosition;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgTransactionManager};
use sqlx::{AssertSqlSafe, Executor as _, Postgres, Row as _, SqlSafeStr as _};
use sqlx_core::transaction::TransactionManager as _;

/// One message, one round trip. The insert position is read after the commit record was written, so it is behind it:
/// possibly also behind records of others, which only makes a reader wait for more than it must. The first eight digits
/// of a segment's name are its timeline. `AND CHAIN` leaves an empty transaction open: sqlx counts one until it sends
/// an end itself, and that end, queued by `drop` for the moment the connection goes back, should find one.
const COMMIT: &str = "COMMIT AND CHAIN; \
    SELECT pg_walfile_name(pg_current_wal_insert_lsn()), pg_current_wal_insert_lsn()::text";

/// How long a connection in doubt may take to answer ROLLBACK before it is closed instead.
const HEALING: Duration = Duration::from_secs(5);

pub(crate) struct Transaction {
    /// `None` once it is on its way back to the pool.
    connection: Option<PoolConnection<Postgres>>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// BEGIN is on its way; whether it arrived is not known.
    Opening,
    Open,
}

impl Transaction {
    /// Opens a transaction by one message: BEGIN and the settings local to it. The caller vouches for its text.
    pub(crate) async fn begin(
        connection: PoolConnection<Postgres>,
        first_message: String,
    ) -> sqlx::Result<Self> {
        let mut transaction = Self {
            connection: Some(connection),
            phase: Phase::Opening,
        };
        let first_message = AssertSqlSafe(first_message).into_sql_str();
        PgTransactionManager::begin(transaction.connection(), Some(first_message)).await?;
        transaction.phase = Phase::Open;
        Ok(transaction)
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        self.connection
            .as_mut()
            .expect("the connection leaves in `drop` alone")
    }

    /// Commits, and returns the position of the log from which on the changes are in it. On a primary only.
    pub(crate) async fn commit(mut self) -> sqlx::Result<LogPosition> {
        let row = self.connection().fetch_one(sqlx::raw_sql(COMMIT)).await?;
        let (segment, lsn): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        position(&segment, &lsn).ok_or_else(|| {
            sqlx::Error::Protocol(format!("not a position of the log: {lsn} in segment {segment}"))
        })
    }
}

fn position(segment: &str, lsn: &str) -> Option<LogPosition> {
    let timeline = u32::from_str_radix(segment.get(..8)?, 16).ok()?;
    format!("{timeline}/{lsn}").parse().ok()
}

impl Drop for Transaction {
    fn drop(&mut self) {
        match self.phase {
            // Also after `commit`, and when its future was dropped: if COMMIT arrived, this ends the empty transaction
            // that it has chained.
            Phase::Open => PgTransactionManager::start_rollback(self.connection()),
            Phase::Opening => {
                if let Some(connection) = self.connection.take() {
                    fairlead_telemetry::spawn(heal(connection));
                }
            }
        }
    }
}

/// Ends a transaction that may or may not have begun; closes the connection when that cannot be done.
async fn heal(mut connection: PoolConnection<Postgres>) {
    let rollback = tokio::time::timeout(HEALING, connection.execute("ROLLBACK")).await;
    if !matches!(rollback, Ok(Ok(_))) {
        connection.close_on_drop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_the_timeline_of_the_segment_and_the_lsn() {
        let parsed = position("0000002A0000001600000016", "16/B374D848");

        assert_eq!(parsed.map(|at| at.to_string()).as_deref(), Some("42/16/B374D848"));
        assert_eq!(position("0000", "16/B374D848"), None);
        assert_eq!(position("0000000100000016000000B3", "16"), None);
    }
}
