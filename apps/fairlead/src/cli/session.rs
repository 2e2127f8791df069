//! What a command that works on the database needs, opened and closed in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fairlead_cache::TieredCache;
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::Recorded;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::CommitListener;

use crate::config::Config;
use crate::database::Database;
use crate::output;
use crate::secret_file;
use crate::stores::{self, Stores};
use crate::system::{SystemClock, SystemIds};
use crate::wiring;

/// How long a command waits for Redis, so that servers know what it has changed.
const TELL_WITHIN: Duration = Duration::from_secs(5);

/// A database and its stores, for one command. Servers that go on meanwhile hear of what it changes.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) stores: Stores,
    database: Database,
    told: Told,
}

/// Whom a command tells what it changes.
#[derive(Debug)]
struct Told {
    /// Those that share this; `None`: nobody.
    cache: Option<TieredCache>,
    changes: Arc<Changes>,
    /// Whether servers keep answers at all.
    is_cached: bool,
}

/// Whether something was changed.
#[derive(Debug, Default)]
struct Changes(AtomicBool);

impl Session {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        let database = Database::open(config, output::progress).await?;
        match connect(config, &database).await {
            Ok((stores, told)) => Ok(Self {
                stores,
                database,
                told,
            }),
            Err(error) => {
                database.stop().await;
                Err(error)
            }
        }
    }

    /// The database, as the role that owns it.
    pub(super) fn owner_url(&self) -> &str {
        self.database.urls().owner.expose()
    }

    pub(super) async fn close(self) {
        self.told.close().await;
        self.stores.close().await;
        self.database.stop().await;
    }
}

async fn connect(config: &Config, database: &Database) -> anyhow::Result<(Stores, Told)> {
    let secret = secret_file::installation_secret(config)?;
    let settings = stores::command_config(config, database.urls(), &secret);
    let told = Told {
        cache: wiring::cache_to_tell(config, &secret)?,
        changes: Arc::default(),
        is_cached: config.cache.responses.enabled,
    };
    let listeners = told.listeners();
    let stores = Stores::connect(
        &settings,
        Arc::new(SystemClock),
        Arc::new(SystemIds),
        listeners,
        config.jobs.priorities(),
    )
    .await?;
    Ok((stores, told))
}

impl Told {
    fn listeners(&self) -> Vec<Arc<dyn CommitListener>> {
        let mut listeners: Vec<Arc<dyn CommitListener>> = vec![Arc::clone(&self.changes) as _];
        if let Some(cache) = &self.cache {
            listeners.push(Arc::new(cache.clone()));
        }
        listeners
    }

    /// Returns when all have been told, and says so when they could not be.
    async fn close(self) {
        let has_changed = self.changes.0.load(Ordering::Relaxed);
        let why = match &self.cache {
            Some(cache) => {
                let patience = if has_changed { TELL_WITHIN } else { Duration::ZERO };
                (!cache.close(patience).await).then_some("Redis does not answer")
            }
            None => self.is_cached.then_some("cache.redis.url is not set"),
        };
        if let Some(why) = why.filter(|_| has_changed) {
            output::progress(&format!(
                "Servers that run were not told of these changes ({why}): they find them in the log of events, within \
                 about a second"
            ));
        }
    }
}

#[async_trait]
impl CommitListener for Changes {
    async fn committed(&self, _: TenantId, recorded: &[Recorded], _: LogPosition) {
        if !recorded.is_empty() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}
