//! Being the one process that reads on behalf of all: an advisory lock, held by a connection of its own.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::events::{Leadership, LeadershipLost};
use fairlead_domain::store::StoreError;
use tokio::time::{sleep, timeout};

use crate::error::SqlError;
use crate::pool::Target;
use crate::wire::{Conversation, Error};

/// How PostgreSQL lists the connection.
const NAME: &str = "fairlead-events";
/// A host that dies says nothing, and its lock is its connection's: the server finds out by itself, and soon.
const KEEPALIVES: &str = "-c tcp_keepalives_idle=3 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3 \
                          -c tcp_user_timeout=6000";
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The lock is asked for again and again, and not waited for: a statement that waits keeps dead rows from being cleared.
const ASK_EVERY: Duration = Duration::from_secs(1);
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('fairlead.events', 0))";
const LISTEN: &str = "LISTEN fairlead_events";

/// The lock is the connection's, so it ends when this is dropped, however that comes about.
pub(super) struct PgLeadership {
    conversation: Conversation,
    process: Arc<str>,
}

impl PgLeadership {
    /// Waits until no other process has it; `told` is called when others than `process` tell of new events meanwhile.
    pub(super) async fn wait(
        target: &Target,
        process: &Arc<str>,
        told: &(dyn Fn() + Send + Sync),
    ) -> Result<Self, StoreError> {
        let mut standing_by = Self::open(target, process).await?;
        standing_by.lead(told).await.map_err(SqlError::from)?;
        Ok(standing_by)
    }

    /// Calls `told` when others than `process` tell of new events, and never asks for the lock.
    pub(super) async fn hear(
        target: &Target,
        process: &Arc<str>,
        told: &(dyn Fn() + Send + Sync),
    ) -> Result<Infallible, StoreError> {
        let mut hearing = Self::open(target, process).await?;
        loop {
            hearing.told_by_others().await.map_err(SqlError::from)?;
            told();
        }
    }

    /// A connection that listens.
    async fn open(target: &Target, process: &Arc<str>) -> Result<Self, StoreError> {
        let target = target.named(NAME).with_options(KEEPALIVES);
        let opening = timeout(CONNECT_WITHIN, target.open()).await;
        let mut conversation = opening
            .map_err(|_| StoreError::TimedOut)?
            .map_err(SqlError::from)?;
        conversation.ask(LISTEN).await.map_err(SqlError::from)?;
        Ok(Self {
            conversation,
            process: Arc::clone(process),
        })
    }

    /// Waits until the lock is free.
    async fn lead(&mut self, told: &(dyn Fn() + Send + Sync)) -> Result<(), Error> {
        loop {
            let answer = self.conversation.ask(TRY_LOCK).await?;
            if answer.first().map(|row| row.try_get(0)).transpose()? == Some(true) {
                return Ok(());
            }
            let asks_again = sleep(ASK_EVERY);
            tokio::pin!(asks_again);
            loop {
                tokio::select! {
                    () = &mut asks_again => break,
                    others = self.told_by_others() => {
                        others?;
                        told();
                    }
                }
            }
        }
    }

    async fn told_by_others(&mut self) -> Result<(), Error> {
        while *self.conversation.notified().await? == *self.process {}
        Ok(())
    }
}

#[async_trait]
impl Leadership for PgLeadership {
    async fn told(&mut self) -> Result<(), LeadershipLost> {
        self.told_by_others().await.map_err(|_| LeadershipLost)
    }
}

impl fmt::Debug for PgLeadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PgLeadership")
    }
}
