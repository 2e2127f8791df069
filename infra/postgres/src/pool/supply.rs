//! Where connections come from: those that are idle, and new ones.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fairlead_domain::store::StoreError;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::client::Client;
use super::counts::Counted;
use super::exhaustion::ServerFull;
use super::{Shared, TEST_IF_IDLE_FOR, time_left};
use crate::error::{Meaning, SqlError};
use crate::wire::Error;

/// How long a pool does with fewer connections after the server had no room for another one.
const WITHHELD_FOR: Duration = Duration::from_secs(1);

impl Shared {
    /// Waits for a connection, and for the right to use it.
    pub(super) async fn take(
        self: &Arc<Self>,
        started: Instant,
    ) -> Result<(Client, OwnedSemaphorePermit), StoreError> {
        loop {
            let permit = self.permit(started).await?;
            match self.client().await {
                Ok(client) => return Ok((client, permit)),
                // Another of ours comes back, long before the server has room for more.
                Err(error) if is_full(&error) && self.counts.open() > 0 => self.withhold(permit),
                Err(error) => return Err(error),
            }
        }
    }

    /// Has the pool do with fewer connections for a while: the server has no room for as many as it may have.
    fn withhold(self: &Arc<Self>, permit: OwnedSemaphorePermit) {
        if self.withheld.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                pool = %self.name,
                open = self.counts.open(),
                "the server takes no more connections: the pool does with those it has"
            );
        }
        let shared = Arc::clone(self);
        fairlead_telemetry::spawn(async move {
            tokio::time::sleep(WITHHELD_FOR).await;
            shared.withheld.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        });
    }

    async fn permit(&self, started: Instant) -> Result<OwnedSemaphorePermit, StoreError> {
        if self.closing.load(Ordering::Relaxed) {
            return Err(self.counts.no_connection(&self.name));
        }
        let patience = self.config.acquire_timeout.saturating_sub(started.elapsed());
        let left = time_left().filter(|left| *left < patience);
        match timeout(
            left.unwrap_or(patience),
            Arc::clone(&self.permits).acquire_owned(),
        )
        .await
        {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(self.counts.no_connection(&self.name)),
            Err(_) if left.is_some() => Err(StoreError::TimedOut),
            Err(_) => Err(self
                .counts
                .exhausted(&self.name, self.config.max, started.elapsed())),
        }
    }

    /// A connection that is idle and good, else a new one; for who has a permit.
    async fn client(self: &Arc<Self>) -> Result<Client, StoreError> {
        loop {
            if let Some(mut client) = self.idle.take(|client| !client.is_worn(&self.config)) {
                if client.come_here().is_err()
                    || client.idle_for() >= TEST_IF_IDLE_FOR && !self.answers(&mut client).await
                {
                    continue;
                }
                return Ok(client);
            }
            // There is room: each other connection is idle, or with the owner of another permit. Else one has come back
            // to a place where nobody looked any more, and is found there now.
            if let Some(open) = self.counts.try_open(self.config.max as usize) {
                // Large, and rare.
                return Box::pin(self.connect(open)).await;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn answers(&self, client: &mut Client) -> bool {
        matches!(
            timeout(self.config.create_timeout, client.ping()).await,
            Ok(Ok(()))
        )
    }

    pub(super) async fn connect(&self, open: Counted) -> Result<Client, StoreError> {
        let connecting = async {
            let conversation = self.target.open().await.map_err(|error| self.refused(error))?;
            let mut client = Client::new(conversation, open);
            if let Some(known) = &self.known_replay {
                client.require_replayed(known()).await?;
            }
            Ok(client)
        };
        let left = time_left().filter(|left| *left < self.config.create_timeout);
        match timeout(left.unwrap_or(self.config.create_timeout), connecting).await {
            Ok(connected) => connected,
            Err(_) if left.is_some() => Err(StoreError::TimedOut),
            Err(_) => Err(self.counts.no_connection(&self.name)),
        }
    }

    fn refused(&self, error: Error) -> StoreError {
        match Meaning::of(&error) {
            Meaning::NoRoom => StoreError::Exhausted(Box::new(ServerFull {
                pool: self.name.clone(),
                source: error,
            })),
            _ => SqlError::from(error).into(),
        }
    }
}

fn is_full(error: &StoreError) -> bool {
    matches!(error, StoreError::Exhausted(cause) if cause.is::<ServerFull>())
}
