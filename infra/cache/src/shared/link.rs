//! Connections to Redis, and when to leave it alone.

use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool_redis::{Connection, Manager, Pool, PoolError, Runtime};
use fairlead_telemetry::request::{self, Phase};
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{Client, ConnectionAddr, RedisError, RedisResult};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::Instrument as _;
use tracing::field::Empty;

use super::server::{self, BadRedis};
use crate::settings::SharedSettings;

/// How long a new connection may take; nobody waits for it, because it is made before Redis is trusted.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// After so many commands in a row have failed, the server is left alone until it answers again.
const FAILURES_TO_OPEN: u32 = 3;

/// Why a command brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("Redis did not answer in time")]
    TimedOut,
    #[error("no connection to Redis")]
    Connect(#[source] PoolError),
    #[error(
        "the certificate of Redis is not trusted: name the file of the authority that has signed it in \
         cache.redis.ca_file"
    )]
    Untrusted(#[source] RedisError),
    #[error("Redis failed")]
    Redis(#[source] RedisError),
}

impl LinkError {
    /// Whether the connection is of no use any more.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(self, Self::Redis(error) if error.is_unrecoverable_error())
    }
}

/// A few connections, each of which carries many commands at once.
///
/// The pool makes them and takes them back. They are not taken out of it for each command: the check that the pool
/// makes then would be a second round trip.
pub(crate) struct Link {
    client: Client,
    pool: Pool,
    lanes: Box<[Lane]>,
    next: AtomicUsize,
    command_timeout: Duration,
    failures_in_a_row: AtomicU32,
    failures: AtomicU64,
}

/// One connection.
#[derive(Default)]
struct Lane {
    connection: Mutex<Option<Connection>>,
    /// Nothing may come back on one while the others are well.
    failures_in_a_row: AtomicU32,
}

impl Link {
    pub(crate) fn new(settings: &SharedSettings) -> Result<Self, BadRedis> {
        let connections = settings.connections.max(1);
        let client = server::client(settings)?;
        let manager = Manager::new(client.get_connection_info().clone()).map_err(BadRedis::Url)?;
        let pool = Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .build()
            .expect("no time-out is set that would need another runtime");
        Ok(Self {
            client,
            pool,
            lanes: (0..connections).map(|_| Lane::default()).collect(),
            next: AtomicUsize::new(0),
            command_timeout: settings.command_timeout,
            failures_in_a_row: AtomicU32::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// Opens a connection of another kind: one that listens.
    pub(crate) async fn listen(&self) -> Result<PubSub, LinkError> {
        let opened = self.client.get_async_pubsub().await;
        opened.map_err(|error| {
            if server::is_untrusted(&error) {
                LinkError::Untrusted(error)
            } else {
                LinkError::Redis(error)
            }
        })
    }

    pub(crate) fn address(&self) -> &ConnectionAddr {
        self.client.get_connection_info().addr()
    }

    /// Runs commands within the time-out, on whichever connection is next.
    pub(crate) async fn run<T, F>(
        &self,
        commands: impl FnOnce(MultiplexedConnection) -> F + Send,
    ) -> Result<T, LinkError>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let lane = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        self.run_on(lane, commands).await
    }

    async fn run_on<T, F>(
        &self,
        lane: usize,
        commands: impl FnOnce(MultiplexedConnection) -> F + Send,
    ) -> Result<T, LinkError>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let work = async {
            let connection = self.connection(lane).await?;
            commands(connection).await.map_err(LinkError::Redis)
        };
        let span = tracing::debug_span!(
            "redis",
            otel.kind = "client",
            otel.status_code = Empty,
            db.system.name = "redis",
        );
        let started = Instant::now();
        let result = timeout(self.command_timeout, work)
            .instrument(span.clone())
            .await
            .unwrap_or(Err(LinkError::TimedOut));
        if result.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        if let Some(request) = request::current() {
            request.note_phase(Phase::SharedCache, started.elapsed());
        }
        match &result {
            Ok(_) => {
                for counter in self.counters(lane) {
                    counter.store(0, Ordering::Relaxed);
                }
            }
            Err(error) => {
                for counter in self.counters(lane) {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                self.failures.fetch_add(1, Ordering::Relaxed);
                if error.is_broken() {
                    self.drop_lane(lane).await;
                }
            }
        }
        result
    }

    /// Whether so many commands in a row have failed, on all connections together or on one of them, that Redis should be
    /// left alone until all are made anew.
    pub(crate) fn is_failing(&self) -> bool {
        let of_lanes = self.lanes.iter().map(|lane| &lane.failures_in_a_row);
        of_lanes
            .chain([&self.failures_in_a_row])
            .any(|failures| failures.load(Ordering::Relaxed) >= FAILURES_TO_OPEN)
    }

    /// What counts the failures of commands on a lane.
    fn counters(&self, lane: usize) -> [&AtomicU32; 2] {
        [&self.failures_in_a_row, &self.lanes[lane].failures_in_a_row]
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Connects anew wherever needed, and finds out whether all connections answer in time.
    pub(crate) async fn probe(&self) -> Result<(), LinkError> {
        for lane in 0..self.lanes.len() {
            // What was sent on the old ones may still be answered, but nobody waits for it.
            self.drop_lane(lane).await;
            timeout(CONNECT_TIMEOUT, self.connection(lane))
                .await
                .unwrap_or(Err(LinkError::TimedOut))?;
            self.run_on(lane, |mut connection| async move {
                redis::cmd("PING").query_async::<()>(&mut connection).await
            })
            .await?;
        }
        Ok(())
    }

    async fn connection(&self, lane: usize) -> Result<MultiplexedConnection, LinkError> {
        let mut lane = self.lanes[lane].connection.lock().await;
        if let Some(connection) = &*lane {
            return Ok(MultiplexedConnection::clone(connection));
        }
        let connection = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) if server::is_untrusted(&error) => LinkError::Untrusted(error),
            error => LinkError::Connect(error),
        })?;
        let handle = MultiplexedConnection::clone(&connection);
        *lane = Some(connection);
        Ok(handle)
    }

    async fn drop_lane(&self, lane: usize) {
        if let Some(connection) = self.lanes[lane].connection.lock().await.take() {
            // Out of the pool: it must not be handed out again.
            drop(Connection::take(connection));
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("connections", &self.lanes.len())
            .finish_non_exhaustive()
    }
}
