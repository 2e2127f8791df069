//! Being the one process that reads on behalf of all: an advisory lock, held by a connection of its own.
//!
//! A process that stands still keeps its connections, because its system answers for it. So whoever has the lock says so
//! once a second, and the server ends a connection that has said nothing for [`LIFE`], and the lock with it. A process
//! that wakes after that knows by its own clock that it may not lead any more ([`PgLease`]), before it hears so.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fairlead_domain::events::{Leadership, LeadershipLost, Lease};
use fairlead_domain::store::StoreError;
use tokio::time::{sleep, sleep_until, timeout};

use super::lease::{Moment, PgLease};
use super::word::ThisProcess;
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
/// In the words of the server; the same as [`LIFE`].
const END_IF_SILENT: &str = "SET idle_session_timeout = '4s'";
const LIFE: Duration = Duration::from_secs(4);
/// For so long after it has last asked to be heard a leader is sure to lead: less than its connection lives.
const CERTAIN_FOR: Duration = Duration::from_secs(3);
const SPEAK_EVERY: Duration = Duration::from_secs(1);
const SPEAK: &str = "SELECT 1";
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('fairlead.events', 0))";
const LISTEN: &str = "LISTEN fairlead_events";

/// The lock is the connection's, so it ends when this is dropped, however that comes about.
pub(super) struct PgLeadership {
    conversation: Conversation,
    process: Arc<ThisProcess>,
    lease: Arc<PgLease>,
    /// When it is to be said that this process is still there.
    speaks_at: Instant,
}

/// When the server was asked for something, by the clock of what is waited for and by that of the lease.
#[derive(Clone, Copy)]
struct Asked {
    at: Instant,
    moment: Moment,
}

impl Asked {
    fn now() -> Self {
        Self {
            at: Instant::now(),
            moment: Moment::now(),
        }
    }
}

impl PgLeadership {
    /// Waits until no other process has it; `told` is called as soon as this one can hear, and when others than `process`
    /// tell of new events meanwhile.
    pub(super) async fn wait(
        target: &Target,
        process: &Arc<ThisProcess>,
        told: &(dyn Fn() + Send + Sync),
    ) -> Result<Self, StoreError> {
        let mut standing_by = Self::open(target, process).await?;
        let opened = standing_by.conversation.ask(END_IF_SILENT).await;
        opened.map_err(SqlError::from)?;
        told();
        standing_by.lead(told).await.map_err(SqlError::from)?;
        Ok(standing_by)
    }

    /// Calls `told` as soon as it can hear, and when others than `process` tell of new events; never asks for the lock.
    pub(super) async fn hear(
        target: &Target,
        process: &Arc<ThisProcess>,
        told: &(dyn Fn() + Send + Sync),
    ) -> Result<Infallible, StoreError> {
        let mut hearing = Self::open(target, process).await?;
        loop {
            told();
            hearing.told_by_others().await.map_err(SqlError::from)?;
        }
    }

    /// A connection that listens.
    async fn open(target: &Target, process: &Arc<ThisProcess>) -> Result<Self, StoreError> {
        let target = target.named(NAME).with_options(KEEPALIVES);
        let opening = timeout(CONNECT_WITHIN, target.open()).await;
        let mut conversation = opening
            .map_err(|_| StoreError::TimedOut)?
            .map_err(SqlError::from)?;
        conversation.ask(LISTEN).await.map_err(SqlError::from)?;
        Ok(Self {
            conversation,
            process: Arc::clone(process),
            lease: Arc::new(PgLease::lapsed()),
            speaks_at: Instant::now(),
        })
    }

    /// Waits until the lock is free.
    async fn lead(&mut self, told: &(dyn Fn() + Send + Sync)) -> Result<(), Error> {
        loop {
            let asked = Asked::now();
            let answer = self.conversation.ask(TRY_LOCK).await?;
            if answer.first().map(|row| row.try_get(0)).transpose()? == Some(true) {
                self.heard(asked);
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

    /// Says that this process is still there.
    async fn speak(&mut self) -> Result<(), LeadershipLost> {
        let asked = Asked::now();
        match timeout(LIFE, self.conversation.ask(SPEAK)).await {
            Ok(Ok(_)) => {
                self.heard(asked);
                Ok(())
            }
            _ => Err(LeadershipLost),
        }
    }

    fn heard(&mut self, asked: Asked) {
        self.lease.extend(asked.moment, CERTAIN_FOR);
        self.speaks_at = asked.at + SPEAK_EVERY;
    }

    async fn told_by_others(&mut self) -> Result<(), Error> {
        while !self.process.heed(&self.conversation.notified().await?) {}
        Ok(())
    }
}

#[async_trait]
impl Leadership for PgLeadership {
    async fn told(&mut self) -> Result<(), LeadershipLost> {
        loop {
            let speaks_at = self.speaks_at;
            tokio::select! {
                // First, or others who tell without end would keep it from speaking.
                biased;
                () = sleep_until(speaks_at.into()) => self.speak().await?,
                others = self.told_by_others() => return others.map_err(|_| LeadershipLost),
            }
        }
    }

    fn lease(&self) -> Arc<dyn Lease> {
        self.lease.clone()
    }
}

impl fmt::Debug for PgLeadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PgLeadership")
    }
}
