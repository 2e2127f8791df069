//! A transaction that leaves nothing behind, whenever it is dropped.
//!
//! `sqlx::Transaction` does so once it is open: dropping it queues a ROLLBACK, which the pool flushes, behind the answer
//! of a statement that may still be under way, before it lends the connection again. But when the future that opens it
//! is dropped, or fails, after BEGIN was sent, sqlx 0.9 counts no transaction yet and queues nothing: the connection
//! goes back to the pool inside a transaction, with its tenant set. So this type opens the transaction itself.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgTransactionManager};
use sqlx::{AssertSqlSafe, Executor as _, Postgres, SqlSafeStr as _};
use sqlx_core::transaction::TransactionManager as _;

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
    Committed,
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

    pub(crate) async fn commit(mut self) -> sqlx::Result<()> {
        PgTransactionManager::commit(self.connection()).await?;
        self.phase = Phase::Committed;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        match self.phase {
            // Also when the future of `commit` was dropped: after a COMMIT that arrived, ROLLBACK does nothing.
            Phase::Open => PgTransactionManager::start_rollback(self.connection()),
            Phase::Opening => {
                if let Some(connection) = self.connection.take() {
                    fairlead_telemetry::spawn(heal(connection));
                }
            }
            Phase::Committed => {}
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
