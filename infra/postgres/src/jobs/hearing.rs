//! Hearing of jobs that other processes have enqueued, on a connection of its own.

use std::fmt;

use async_trait::async_trait;
use fairlead_domain::jobs::{Hearing, HearingLost};
use fairlead_domain::store::StoreError;

use crate::error::SqlError;
use crate::pool::Target;
use crate::wire::Conversation;

/// How PostgreSQL lists the connection.
const NAME: &str = "fairlead-jobs";
const LISTEN: &str = "LISTEN fairlead_jobs";

pub(super) struct PgHearing {
    conversation: Conversation,
}

impl PgHearing {
    pub(super) async fn open(target: &Target) -> Result<Self, StoreError> {
        // Its own words too: what an operator does here concerns the loops here.
        let mut conversation = target.named(NAME).open().await.map_err(SqlError::from)?;
        conversation.ask(LISTEN).await.map_err(SqlError::from)?;
        Ok(Self { conversation })
    }
}

#[async_trait]
impl Hearing for PgHearing {
    async fn told(&mut self) -> Result<(), HearingLost> {
        self.conversation
            .notified()
            .await
            .map(drop)
            .map_err(|_| HearingLost)
    }
}

impl fmt::Debug for PgHearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PgHearing")
    }
}
