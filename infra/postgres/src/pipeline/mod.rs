//! The hottest reads, in one round trip.
//!
//! A read of one statement is sent whole: BEGIN with the tenant and the time limit, the prepared statement, COMMIT. The
//! other pools cannot: sqlx waits for each answer before it sends what follows. So there is a small pool of another
//! driver beside them, to the same node, as the same role, under the same policies. PostgreSQL does the same work; what
//! is saved is waiting, wake-ups and system calls.

mod client;
mod failure;
mod idle;
mod parameter;
mod target;
mod tls;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fairlead_domain::database::PoolReport;
use fairlead_domain::store::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;

use crate::config::PoolConfig;
use crate::error::SqlError;
use crate::pool::{Counted, Counts, Held, PoolName, count, time_left};
use client::Client;
use idle::Idle;
use target::Target;

pub(crate) use client::Answer;
pub(crate) use failure::Failure;
pub(crate) use parameter::Parameters;
pub(crate) use target::Unfit;

/// How long a connection whose read was given up may take to answer before it is closed instead.
const SETTLING: Duration = Duration::from_secs(5);

/// Tells what a new connection must have replayed at least; `None` of a node that replays nothing.
pub(crate) type KnownReplay = Option<Arc<dyn Fn() -> u64 + Send + Sync>>;

/// One statement that reads.
#[derive(Debug)]
pub(crate) struct Read<'r> {
    /// Opens the transaction, with everything local to it.
    pub(crate) begin: &'r str,
    pub(crate) text: &'r str,
    pub(crate) parameters: &'r [&'r (dyn ToSql + Sync)],
}

/// The connections to one node that read in one round trip.
pub(crate) struct Pipelines {
    shared: Arc<Shared>,
}

struct Shared {
    name: PoolName,
    target: Target,
    config: PoolConfig,
    known_replay: KnownReplay,
    permits: Arc<Semaphore>,
    idle: Idle,
    counts: Arc<Counts>,
}

/// A connection while it is lent; it finds its way back whatever happens to whoever reads.
struct Lent {
    /// `None` once it is on its way back.
    client: Option<Client>,
    /// Set while answers are awaited.
    awaits: bool,
    shared: Arc<Shared>,
    permit: Option<OwnedSemaphorePermit>,
    held: Held,
    _busy: Counted,
}

impl Pipelines {
    /// Connects when first used.
    pub(crate) fn new(
        name: PoolName,
        url: &str,
        config: PoolConfig,
        known_replay: KnownReplay,
    ) -> Result<Self, Unfit> {
        Ok(Self {
            shared: Arc::new(Shared {
                name,
                target: Target::parse(url, "fairlead-reads")?,
                permits: Arc::new(Semaphore::new(config.max as usize)),
                config,
                known_replay,
                idle: Idle::default(),
                counts: Arc::default(),
            }),
        })
    }

    /// Runs one statement in a transaction of its own.
    pub(crate) async fn read(&self, read: &Read<'_>) -> Result<Answer, Failure> {
        loop {
            let mut lent = self.lend().await.map_err(Failure::NoConnection)?;
            let was_used = lent.client.as_ref().is_some_and(Client::was_used);
            match lent.read(read).await {
                // It was idle when the database went away. Nothing was read, so another may try, down to a new one.
                Err(error) if was_used && error.is_closed() => {}
                answer => return answer.map_err(Failure::Statement),
            }
        }
    }

    /// How many connections are lent.
    pub(crate) fn busy(&self) -> usize {
        self.shared.counts.busy()
    }

    /// Closes what was idle for too long, and begins a new minute of the figures.
    pub(crate) fn turn(&self) {
        self.shared
            .idle
            .retain(|client| !client.is_stale(&self.shared.config));
        self.shared.counts.turn();
    }

    pub(crate) fn report(&self) -> PoolReport {
        let shared = &self.shared;
        let (idle, active) = (shared.idle.len(), shared.counts.busy());
        PoolReport {
            role: shared.name.role,
            min: 0,
            max: shared.config.max,
            open: count(idle + active),
            idle: count(idle),
            acquire_timeout: shared.config.acquire_timeout,
            ..shared.counts.report()
        }
    }

    /// Closes what is idle, and lends nothing any more.
    pub(crate) fn close(&self) {
        self.shared.permits.close();
        self.shared.idle.retain(|_| false);
    }

    async fn lend(&self) -> Result<Lent, StoreError> {
        let shared = &self.shared;
        let started = Instant::now();
        let waiting = shared.counts.wait();
        let permit = shared.permit(started).await;
        drop(waiting);
        let permit = permit?;
        let client = match shared.idle.take(|client| !client.is_stale(&shared.config)) {
            Some(client) => client,
            // Large, and rare.
            None => Box::pin(shared.connect()).await?,
        };
        shared.counts.note_lent(started.elapsed());
        Ok(Lent {
            client: Some(client),
            awaits: false,
            shared: Arc::clone(shared),
            permit: Some(permit),
            held: shared.counts.hold(),
            _busy: shared.counts.lend(),
        })
    }
}

impl Shared {
    async fn permit(&self, started: Instant) -> Result<OwnedSemaphorePermit, StoreError> {
        let left = time_left();
        let patience = left.map_or(self.config.acquire_timeout, |left| {
            left.min(self.config.acquire_timeout)
        });
        match timeout(patience, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(self.counts.no_connection(&self.name)),
            Err(_) if left == Some(patience) => Err(StoreError::TimedOut),
            Err(_) => Err(self
                .counts
                .exhausted(&self.name, self.config.max, started.elapsed())),
        }
    }

    async fn connect(&self) -> Result<Client, StoreError> {
        let connecting = async {
            let client = self.target.connect().await.map_err(SqlError::from)?;
            if let Some(known) = &self.known_replay {
                client.require_replayed(known()).await?;
            }
            Ok(client)
        };
        timeout(self.config.create_timeout, connecting)
            .await
            .unwrap_or_else(|_| Err(self.counts.no_connection(&self.name)))
    }
}

impl Lent {
    async fn read(&mut self, read: &Read<'_>) -> Result<Answer, tokio_postgres::Error> {
        let client = self.client.as_mut().expect("the client leaves in `drop` alone");
        self.held.runs(read.text);
        self.awaits = true;
        let answer = client.read(read).await;
        self.awaits = false;
        answer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        if client.is_closed() || self.shared.permits.is_closed() {
            return;
        }
        if !self.awaits {
            self.shared.idle.put(client);
            return;
        }
        // Its transaction ends by itself, but the next read would wait for the answers of this one.
        let (shared, permit) = (Arc::clone(&self.shared), self.permit.take());
        fairlead_telemetry::spawn(async move {
            if matches!(timeout(SETTLING, client.settle()).await, Ok(Ok(()))) {
                shared.idle.put(client);
            }
            drop(permit);
        });
    }
}

impl fmt::Debug for Pipelines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipelines")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}
