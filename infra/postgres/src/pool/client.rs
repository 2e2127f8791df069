use std::fmt;
use std::time::{Duration, Instant};

use fairlead_domain::store::StoreError;
use fairlead_telemetry::turn_of_this_thread;
use tokio::runtime::{self, Handle};

use super::counts::Counted;
use super::holders::Held;
use super::pipeline::{Answers, Failed, Pipeline};
use super::prepared::PreparedStatements;
use super::target::Target;
use crate::config::PoolConfig;
use crate::error::SqlError;
use crate::wire::{Conversation, Error};

/// One connection, lent to one unit of work at a time.
pub(super) struct Client {
    conversation: Conversation,
    prepared: PreparedStatements,
    /// The thread that used it last.
    home: usize,
    /// The runtime whose reactor tells when there is something to read.
    reactor: runtime::Id,
    opened: Instant,
    /// How much of the longest life it has: those that were opened together are not replaced together.
    part_of_life: f64,
    /// When it became idle last.
    used: Instant,
    was_idle: bool,
    uses: u64,
    _open: Counted,
}

impl Client {
    /// Counted as open for as long as it lives.
    pub(super) fn new(conversation: Conversation, open: Counted) -> Self {
        let now = Instant::now();
        Self {
            conversation,
            prepared: PreparedStatements::default(),
            home: turn_of_this_thread(),
            reactor: Handle::current().id(),
            opened: now,
            part_of_life: 1.0 - rand::random::<f64>() / 10.0,
            used: now,
            was_idle: false,
            uses: 0,
            _open: open,
        }
    }

    pub(super) fn home(&self) -> usize {
        self.home
    }

    /// Has the reactor of this thread told from now on. Fails when the connection is of no use.
    pub(super) fn come_here(&mut self) -> Result<(), Error> {
        self.home = turn_of_this_thread();
        let here = Handle::current().id();
        if self.reactor != here {
            self.conversation.move_here()?;
            self.reactor = here;
        }
        Ok(())
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
    pub(super) fn is_worn(&mut self, config: &PoolConfig) -> bool {
        self.conversation.is_closed()
            || self.uses >= config.max_uses
            || self.opened.elapsed() >= config.max_lifetime.mul_f64(self.part_of_life)
    }

    /// Runs a pipeline; what is new to the connection is prepared with it.
    pub(super) async fn run(&mut self, pipeline: &Pipeline<'_>, held: &Held) -> Result<Answers, Failed> {
        pipeline
            .run(&mut self.conversation, &mut self.prepared, held)
            .await
    }

    /// Whether no transaction is open, and no answer outstanding.
    pub(super) fn is_settled(&mut self) -> bool {
        self.conversation.is_settled() && !self.prepared.is_in_doubt()
    }

    /// Waits until everything sent before is answered, and ends the transaction that does not end by itself.
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        self.conversation.roll_back().await?;
        // Who was to learn what the server has prepared has gone.
        if self.prepared.is_in_doubt() {
            return Err(Error::Closed);
        }
        Ok(())
    }

    /// Has the server give up the statement that runs.
    pub(super) async fn give_up(&self, target: &Target) -> Result<(), Error> {
        target.cancel(&self.conversation).await
    }

    /// Asks whether it is still there.
    pub(super) async fn ping(&mut self) -> Result<(), Error> {
        self.conversation.ping().await
    }

    /// Refuses a replica that was restarted and has not replayed again what it had: what is known of the node does not
    /// hold for this connection.
    pub(super) async fn require_replayed(&mut self, lsn: u64) -> Result<(), StoreError> {
        let question = format!("SELECT COALESCE(pg_last_wal_replay_lsn() - '0/0'::pg_lsn >= {lsn}, false)");
        let answer = self.conversation.ask(&question).await.map_err(SqlError::from)?;
        let has_replayed = match answer.first() {
            Some(row) => row.try_get(0).map_err(SqlError::from)?,
            None => false,
        };
        if has_replayed {
            return Ok(());
        }
        let behind = "the replica has not replayed what it had before it was restarted";
        Err(StoreError::Unavailable(behind.into()))
    }

    /// Says farewell, and waits until that is sent.
    pub(super) async fn close(self) {
        self.conversation.close().await;
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("uses", &self.uses)
            .finish_non_exhaustive()
    }
}
