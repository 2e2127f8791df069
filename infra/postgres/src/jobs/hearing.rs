//! Hearing of jobs that other processes have enqueued, on a connection of its own.

use std::fmt;

use async_trait::async_trait;
use fairlead_domain::jobs::{Hearing, HearingLost};
use fairlead_domain::store::StoreError;
use tokio::sync::watch;

use crate::error::SqlError;
use crate::pool::{Target, Wire};

/// How PostgreSQL lists the connection.
const NAME: &str = "fairlead-jobs";
const LISTEN: &str = "LISTEN fairlead_jobs";

pub(super) struct PgHearing {
    heard: watch::Receiver<u64>,
    _wire: Wire,
}

impl PgHearing {
    pub(super) async fn open(target: &Target) -> Result<Self, StoreError> {
        // Its own words too: what an operator does here concerns the loops here.
        let (wire, heard) = target
            .named(NAME)
            .open_hearing(None)
            .await
            .map_err(SqlError::from)?;
        wire.client.simple_query(LISTEN).await.map_err(SqlError::from)?;
        Ok(Self { heard, _wire: wire })
    }
}

#[async_trait]
impl Hearing for PgHearing {
    async fn told(&mut self) -> Result<(), HearingLost> {
        self.heard.changed().await.map_err(|_| HearingLost)
    }
}

impl fmt::Debug for PgHearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PgHearing")
    }
}
