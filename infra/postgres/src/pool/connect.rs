//! How connections are opened, kept and given up.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgPool};

use super::TEST_IF_IDLE_FOR;
use crate::config::PoolConfig;
use crate::error::Meaning;

/// Between two attempts to connect at start.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// Statements kept prepared per connection. There are about a hundred shapes, and lists vary by their filters.
const PREPARED_STATEMENTS: usize = 256;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the URL of {what} is malformed")]
    Url { what: String, source: sqlx::Error },
    /// The database answered, and refused: wrong password, no such role or database.
    #[error("the database refuses {what}")]
    Refused { what: String, source: sqlx::Error },
    #[error("the database was out of reach for {} s", waited.as_secs())]
    Unreachable { waited: Duration, source: sqlx::Error },
}

/// Reads a URL; `name` is how PostgreSQL lists the connections.
pub(crate) fn connect_options(what: &str, name: &str, url: &str) -> Result<PgConnectOptions, ConnectError> {
    let options: PgConnectOptions = url.parse().map_err(|source| ConnectError::Url {
        what: what.to_owned(),
        source,
    })?;
    Ok(options
        .application_name(name)
        .statement_cache_capacity(PREPARED_STATEMENTS)
        .disable_statement_logging())
}

/// Looks at a connection that has just been opened; it is closed again on an error.
pub(crate) type Inspection = Arc<dyn Fn(&mut PgConnection) -> BoxFuture<'_, sqlx::Result<()>> + Send + Sync>;
type BoxFuture<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

pub(super) fn open(options: PgConnectOptions, config: &PoolConfig, inspect: Option<Inspection>) -> PgPool {
    let (uses, max_uses) = (Arc::new(AtomicU64::new(0)), config.max_uses);
    let pool = match inspect {
        Some(inspect) => PgPoolOptions::new().after_connect(move |connection, _| {
            let inspect = Arc::clone(&inspect);
            Box::pin(async move { inspect(connection).await })
        }),
        None => PgPoolOptions::new(),
    };
    pool.min_connections(config.min)
        .max_connections(config.max)
        .acquire_timeout(config.acquire_timeout)
        .idle_timeout(config.idle_timeout)
        .max_lifetime(config.max_lifetime)
        // Waits are the request's to report, by the error or by its own figures.
        .acquire_slow_threshold(config.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, usage| {
            Box::pin(async move {
                if usage.idle_for > TEST_IF_IDLE_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        // sqlx does not count the uses of a connection. Closing one at every so-many-th release gives each the same
        // life on average, and never closes all at once.
        .after_release(move |_, _| {
            let nth = uses.fetch_add(1, Ordering::Relaxed) + 1;
            Box::pin(async move { Ok(!nth.is_multiple_of(max_uses)) })
        })
        .connect_lazy_with(options)
}

/// A database that restarts, or starts beside us, is there in a moment; one that refuses us stays so.
pub(crate) async fn wait_for_database(
    what: &str,
    options: &PgConnectOptions,
    patience: Duration,
) -> Result<(), ConnectError> {
    let started = tokio::time::Instant::now();
    loop {
        let attempt = tokio::time::timeout_at(started + patience, options.connect()).await;
        let source = match attempt {
            Ok(Ok(connection)) => {
                // It has shown what it was opened for.
                let _ = connection.close().await;
                return Ok(());
            }
            Ok(Err(error)) => error,
            Err(_) => sqlx::Error::PoolTimedOut,
        };
        if Meaning::of(&source) != Meaning::Unavailable {
            return Err(ConnectError::Refused {
                what: what.to_owned(),
                source,
            });
        }
        if started.elapsed() + RETRY_EVERY > patience {
            return Err(ConnectError::Unreachable {
                waited: started.elapsed(),
                source,
            });
        }
        tokio::time::sleep(RETRY_EVERY).await;
    }
}
