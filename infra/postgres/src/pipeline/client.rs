use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use fairlead_domain::store::StoreError;
use futures_util::future::join3;
use tokio_postgres::{Error, Row, SimpleQueryMessage, Statement};

use super::Read;
use super::idle::turn_of_this_thread;
use crate::config::PoolConfig;
use crate::error::SqlError;

/// Statements kept prepared per connection. Few shapes are read this way, and lists vary by their filters.
const PREPARED_STATEMENTS: usize = 256;

/// One connection, lent to one read at a time.
pub(super) struct Client {
    inner: tokio_postgres::Client,
    prepared: HashMap<String, Statement>,
    /// The thread that moves its bytes.
    home: usize,
    opened: Instant,
    used: Instant,
    uses: u64,
}

/// What a read has brought.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// Waits for the database: one, and another when the statement was new to the connection.
    pub(crate) round_trips: u32,
}

impl Client {
    pub(super) fn new(inner: tokio_postgres::Client) -> Self {
        let now = Instant::now();
        Self {
            inner,
            prepared: HashMap::new(),
            home: turn_of_this_thread(),
            opened: now,
            used: now,
            uses: 0,
        }
    }

    pub(super) fn home(&self) -> usize {
        self.home
    }

    pub(super) fn was_used(&self) -> bool {
        self.uses > 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// Whether it is closed, or should be.
    pub(super) fn is_stale(&self, config: &PoolConfig) -> bool {
        self.is_closed()
            || self.uses >= config.max_uses
            || self.opened.elapsed() >= config.max_lifetime
            || self.used.elapsed() >= config.idle_timeout
    }

    /// Runs one statement in a transaction of its own.
    ///
    /// All three messages are handed to the connection at the first poll of `join3`, before anything is waited for. So
    /// whoever drops this future leaves a transaction that ends by itself: none, or a whole one. The connection must
    /// be nobody else's meanwhile, or two transactions would run into each other: hence `&mut`.
    pub(super) async fn read(&mut self, read: &Read<'_>) -> Result<Answer, Error> {
        self.uses += 1;
        self.used = Instant::now();
        let (statement, round_trips) = match self.prepared.get(read.text) {
            Some(statement) => (statement.clone(), 1),
            None => (self.prepare(read.text).await?, 2),
        };
        let (begun, rows, ended) = join3(
            self.inner.batch_execute(read.begin),
            self.inner.query(&statement, read.parameters),
            self.inner.batch_execute("COMMIT"),
        )
        .await;
        // Without the settings of BEGIN the policies show no row at all, and an empty answer would be a lie.
        begun?;
        let rows = rows?;
        ended?;
        Ok(Answer { rows, round_trips })
    }

    async fn prepare(&mut self, text: &str) -> Result<Statement, Error> {
        let statement = self.inner.prepare(text).await?;
        if self.prepared.len() >= PREPARED_STATEMENTS {
            self.prepared.clear();
        }
        self.prepared.insert(text.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Waits until everything sent before is answered.
    pub(super) async fn settle(&self) -> Result<(), Error> {
        self.inner.batch_execute("").await
    }

    /// Refuses a replica that was restarted and has not replayed again what it had: what is known of the node does not
    /// hold for this connection.
    pub(super) async fn require_replayed(&self, lsn: u64) -> Result<(), StoreError> {
        let question = format!("SELECT COALESCE(pg_last_wal_replay_lsn() - '0/0'::pg_lsn >= {lsn}, false)");
        let answer = self.inner.simple_query(&question).await.map_err(SqlError::from)?;
        let has_replayed = answer
            .iter()
            .any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("t")));
        if has_replayed {
            return Ok(());
        }
        let behind = "the replica has not replayed what it had before it was restarted";
        Err(StoreError::Unavailable(behind.into()))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("uses", &self.uses)
            .finish_non_exhaustive()
    }
}
