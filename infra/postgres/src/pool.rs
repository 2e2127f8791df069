use std::time::Duration;

use fairlead_domain::store::StoreError;
use fairlead_telemetry::request;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgPool, Postgres};

use crate::config::{PgConfig, PoolConfig};
use crate::error::{Meaning, SqlError};

/// A connection that was idle for longer is asked whether it is still there before it is lent.
const TEST_IF_IDLE_FOR: Duration = Duration::from_secs(30);
/// Between two attempts to connect at start.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// Statements kept prepared per connection. There are about a hundred shapes, and lists vary by their filters.
const PREPARED_STATEMENTS: usize = 256;

/// The connections of one role, with the limits of what runs on them.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) inner: PgPool,
    /// Names the pool in errors and reports: `app`, `system`.
    pub(crate) name: &'static str,
    statement_timeout: Duration,
    pub(crate) slow_statement: Duration,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the URL of the {role} role is malformed")]
    Url { role: &'static str, source: sqlx::Error },
    /// The database answered, and refused: wrong password, no such role or database.
    #[error("the database refuses the {role} role")]
    Refused { role: &'static str, source: sqlx::Error },
    #[error("the database was out of reach for {} s", waited.as_secs())]
    Unreachable { waited: Duration, source: sqlx::Error },
}

/// Every connection of a pool was in use for as long as a unit of work may wait.
#[derive(Debug, thiserror::Error)]
#[error("pool {pool}: none of its {max} connections became free; {idle} are idle")]
pub struct PoolExhausted {
    pub pool: &'static str,
    pub max: u32,
    pub idle: usize,
}

/// The database took no new connection for as long as a unit of work may wait, although the pool had room for one.
#[derive(Debug, thiserror::Error)]
#[error("pool {pool}: the database takes no connection")]
pub struct NoConnection {
    pub pool: &'static str,
}

impl Pool {
    pub(crate) async fn connect_app(config: &PgConfig) -> Result<Self, ConnectError> {
        Self::connect("app", &config.app_url, &config.pool, config).await
    }

    pub(crate) async fn connect_system(config: &PgConfig) -> Result<Self, ConnectError> {
        Self::connect("system", &config.system_url, &config.system_pool, config).await
    }

    async fn connect(
        name: &'static str,
        url: &str,
        pool: &PoolConfig,
        config: &PgConfig,
    ) -> Result<Self, ConnectError> {
        let options: PgConnectOptions = url
            .parse()
            .map_err(|source| ConnectError::Url { role: name, source })?;
        let options = options
            .application_name(&format!("fairlead-{name}"))
            .statement_cache_capacity(PREPARED_STATEMENTS)
            .disable_statement_logging();
        wait_for_database(name, &options, pool.connect_timeout).await?;
        let inner = PgPoolOptions::new()
            .min_connections(pool.min)
            .max_connections(pool.max)
            .acquire_timeout(pool.acquire_timeout)
            .idle_timeout(pool.idle_timeout)
            .max_lifetime(pool.max_lifetime)
            // Waits are the request's to report, by the error or by its own figures.
            .acquire_slow_threshold(pool.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, usage| {
                Box::pin(async move {
                    if usage.idle_for > TEST_IF_IDLE_FOR {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self {
            inner,
            name,
            statement_timeout: config.statement_timeout,
            slow_statement: config.slow_statement,
        })
    }

    /// Takes a connection, waiting no longer than the pool allows and the request has time.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        let acquired = match time_left() {
            Some(left) => tokio::time::timeout(left, self.inner.acquire())
                .await
                .map_err(|_| StoreError::TimedOut)?,
            None => self.inner.acquire().await,
        };
        acquired.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => self.timed_out(),
            error => SqlError::from(error).into(),
        })
    }

    /// Tells a pool whose connections are all in use from one that could not open another.
    fn timed_out(&self) -> StoreError {
        let (size, max) = (self.inner.size(), self.inner.options().get_max_connections());
        StoreError::Unavailable(if size < max {
            Box::new(NoConnection { pool: self.name })
        } else {
            Box::new(PoolExhausted {
                pool: self.name,
                max,
                idle: self.inner.num_idle(),
            })
        })
    }

    /// How long a statement may run that begins now: what is left of the request, and no longer than configured.
    pub(crate) fn statement_timeout(&self) -> Result<Duration, StoreError> {
        shorter(self.statement_timeout, time_left()).ok_or(StoreError::TimedOut)
    }
}

fn time_left() -> Option<Duration> {
    request::current().and_then(|request| request.time_left())
}

/// `None` when no time is left. At least a millisecond otherwise: PostgreSQL takes 0 for "no limit".
fn shorter(limit: Duration, left: Option<Duration>) -> Option<Duration> {
    match left {
        Some(Duration::ZERO) => None,
        Some(left) => Some(left.min(limit).max(Duration::from_millis(1))),
        None => Some(limit.max(Duration::from_millis(1))),
    }
}

/// A database that restarts, or starts beside us, is there in a moment; one that refuses us stays so.
async fn wait_for_database(
    role: &'static str,
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
            return Err(ConnectError::Refused { role, source });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_gets_the_time_that_the_request_has_left_and_no_more_than_the_limit() {
        let limit = Duration::from_secs(5);

        assert_eq!(shorter(limit, None), Some(limit));
        assert_eq!(shorter(limit, Some(Duration::from_secs(9))), Some(limit));
        assert_eq!(
            shorter(limit, Some(Duration::from_secs(2))),
            Some(Duration::from_secs(2))
        );
        assert_eq!(
            shorter(limit, Some(Duration::from_micros(3))),
            Some(Duration::from_millis(1))
        );
        assert_eq!(shorter(limit, Some(Duration::ZERO)), None);
    }
}
