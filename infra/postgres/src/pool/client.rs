use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fairlead_domain::store::StoreError;
use fairlead_telemetry::turn_of_this_thread;
use tokio_postgres::SimpleQueryMessage;

use super::counts::Counted;
use super::holders::Held;
use super::pipeline::{Answers, Failed, Pipeline};
use super::prepared::PreparedStatements;
use super::target::{Target, Wire};
use crate::config::PoolConfig;
use crate::error::SqlError;

/// One connection, lent to one unit of work at a time.
pub(super) struct Client {
    wire: Wire,
    prepared: PreparedStatements,
    /// Whether a transaction was begun, or may have been, whose end was not sent.
    is_open: AtomicBool,
    /// The thread that moves its bytes.
    home: usize,
    opened: Instant,
    /// When it became idle last.
    used: Instant,
    was_idle: bool,
    uses: u64,
    _open: Counted,
}

impl Client {
    /// Counted as open for as long as it lives.
    pub(super) fn new(wire: Wire, open: Counted) -> Self {
        let now = Instant::now();
        Self {
            wire,
            prepared: PreparedStatements::default(),
            is_open: AtomicBool::new(false),
            home: turn_of_this_thread(),
            opened: now,
            used: now,
            was_idle: false,
            uses: 0,
            _open: open,
        }
    }

    pub(super) fn home(&self) -> usize {
        self.home
    }

    /// Whether it is this thread that moves its bytes.
    pub(super) fn is_at_home(&self) -> bool {
        self.home == turn_of_this_thread()
    }

    /// Whether it lay idle before it was lent, so that its server may have gone meanwhile.
    pub(super) fn was_idle(&self) -> bool {
        self.was_idle
    }

    pub(super) fn note_use(&mut self) {
        self.uses += 1;
    }

    pub(super) fn note_idle(&mut self) {
        self.used = Instant::now();
        self.was_idle = true;
    }

    /// Since it came back last.
    pub(super) fn idle_for(&self) -> Duration {
        self.used.elapsed()
    }

    /// Whether it is closed, or should be, however few there are.
    pub(super) fn is_worn(&self, config: &PoolConfig) -> bool {
        self.wire.client.is_closed()
            || self.uses >= config.max_uses
            || self.opened.elapsed() >= config.max_lifetime
    }

    /// Runs a pipeline; what is new to the connection is prepared before.
    pub(super) async fn run(&mut self, pipeline: &Pipeline<'_>, held: &Held) -> Result<Answers, Failed> {
        let mut pipeline = *pipeline;
        self.is_open.store(true, Ordering::Relaxed);
        let missing = self.prepared.missing(pipeline.statements);
        let started = Instant::now();
        if let Some((_, first)) = missing.first() {
            held.runs(first.text());
            let prepared = pipeline.prepare(&self.wire.client, &missing).await?;
            for ((_, statement), prepared) in missing.iter().zip(prepared) {
                self.prepared.add(statement, prepared);
            }
        }
        let preparing = started.elapsed();
        let prepared: Vec<_> = pipeline
            .statements
            .iter()
            .map(|statement| {
                self.prepared
                    .get(statement)
                    .expect("what was missing is prepared")
            })
            .collect();
        let running = pipeline.run(&self.wire.client, &prepared, held, &self.is_open);
        let mut answered = running.await;
        if answered.as_ref().is_err_and(Failed::is_of_stale_plan) {
            self.prepared.clear();
        }
        if let (Ok(answers), Some((place, _))) = (&mut answered, missing.first()) {
            answers.round_trips += 1;
            answers.statements[*place].took += preparing;
        }
        answered
    }

    /// Waits until everything sent before is answered, and ends the transaction that does not end by itself.
    pub(super) async fn settle(&self) -> Result<(), tokio_postgres::Error> {
        let is_open = self.is_open.load(Ordering::Relaxed);
        let text = if is_open { "ROLLBACK" } else { "" };
        self.wire.client.batch_execute(text).await
    }

    /// Has the server give up the statement that runs.
    pub(super) async fn give_up(&self, target: &Target) -> Result<(), tokio_postgres::Error> {
        target.cancel(&self.wire).await
    }

    /// Asks whether it is still there.
    pub(super) async fn ping(&self) -> Result<(), tokio_postgres::Error> {
        self.wire.client.batch_execute("").await
    }

    /// Refuses a replica that was restarted and has not replayed again what it had: what is known of the node does not
    /// hold for this connection.
    pub(super) async fn require_replayed(&self, lsn: u64) -> Result<(), StoreError> {
        let question = format!("SELECT COALESCE(pg_last_wal_replay_lsn() - '0/0'::pg_lsn >= {lsn}, false)");
        let answer = self
            .wire
            .client
            .simple_query(&question)
            .await
            .map_err(SqlError::from)?;
        let has_replayed = answer
            .iter()
            .any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("t")));
        if has_replayed {
            return Ok(());
        }
        let behind = "the replica has not replayed what it had before it was restarted";
        Err(StoreError::Unavailable(behind.into()))
    }

    /// Says farewell, and waits until that is sent.
    pub(super) async fn close(self) {
        self.wire.close().await;
    }

    /// Closes it without a word: its server does not answer.
    pub(super) fn cut(self) {
        self.wire.cut();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("uses", &self.uses)
            .finish_non_exhaustive()
    }
}
