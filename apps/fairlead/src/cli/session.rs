//! What a command that works on the database needs, opened and closed in order.

use std::sync::Arc;

use crate::config::Config;
use crate::database::Database;
use crate::output;
use crate::secret_file;
use crate::stores::{self, Stores};
use crate::system::{SystemClock, SystemIds};

/// A database and its stores, for one command.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) stores: Stores,
    database: Database,
}

impl Session {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        let database = Database::open(config, output::progress).await?;
        match connect(config, &database).await {
            Ok(stores) => Ok(Self { stores, database }),
            Err(error) => {
                database.stop().await;
                Err(error)
            }
        }
    }

    pub(super) async fn close(self) {
        self.stores.close().await;
        self.database.stop().await;
    }
}

async fn connect(config: &Config, database: &Database) -> anyhow::Result<Stores> {
    let secret = secret_file::installation_secret(config)?;
    let settings = stores::command_config(config, database.urls(), &secret);
    Stores::connect(&settings, Arc::new(SystemClock), Arc::new(SystemIds), Vec::new()).await
}
