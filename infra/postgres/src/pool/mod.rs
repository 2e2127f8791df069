//! Connections to one node as one role, and who has them.

mod connect;
mod holders;
mod waits;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fairlead_domain::consistency::NodeName;
use fairlead_domain::database::{Holder, PoolReport};
use fairlead_domain::store::StoreError;
use fairlead_telemetry::request;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{PgPool, Postgres};

use crate::config::PoolConfig;
use crate::error::SqlError;

pub use connect::ConnectError;
pub(crate) use connect::{Inspection, connect_options, wait_for_database};
pub(crate) use holders::Held;
use holders::Holders;
use waits::Waits;

/// A connection that was idle for longer is asked whether it is still there before it is lent.
const TEST_IF_IDLE_FOR: Duration = Duration::from_secs(30);
/// How many holders an error names; the operators' view has all.
const HOLDERS_NAMED: usize = 5;

/// The connections to one node as one role, with the limits of what runs on them.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) inner: PgPool,
    pub(crate) name: PoolName,
    create_timeout: Duration,
    acquire_timeout: Duration,
    statement_timeout: Duration,
    pub(crate) slow_statement: Duration,
    counts: Arc<Counts>,
}

/// Names a pool in errors and reports: `app on replica-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolName {
    /// `app` or `system`.
    pub role: &'static str,
    pub node: NodeName,
}

/// What runs on the connections of a pool may take so long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatementLimits {
    pub(crate) timeout: Duration,
    pub(crate) slow: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    holders: Arc<Holders>,
    busy: AtomicUsize,
    waiting: AtomicUsize,
    lent: AtomicU64,
    timeouts: AtomicU64,
    waits: Waits,
}

/// A lent connection.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) connection: PoolConnection<Postgres>,
    pub(crate) held: Held,
    _busy: Counted,
}

/// Counts as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Counts>, fn(&Counts) -> &AtomicUsize);

/// Every connection of a pool was in use for as long as a unit of work may wait.
#[derive(Debug, thiserror::Error)]
#[error(
    "pool {pool}: none of its {max} connections became free within {} ms; held by {}",
    waited.as_millis(),
    Named(holders)
)]
pub struct PoolExhausted {
    pub pool: PoolName,
    pub max: u32,
    pub waited: Duration,
    /// The longest first.
    pub holders: Vec<Holder>,
}

/// The database took no new connection for as long as a unit of work may wait, although the pool had room for one.
#[derive(Debug, thiserror::Error)]
#[error("pool {pool}: the database takes no connection")]
pub struct NoConnection {
    pub pool: PoolName,
}

impl Pool {
    /// Opens connections as they are asked for. Those beyond the minimum are closed again; whatever breaks is replaced.
    pub(crate) fn new(
        name: PoolName,
        options: PgConnectOptions,
        config: &PoolConfig,
        limits: StatementLimits,
        inspect: Option<Inspection>,
    ) -> Self {
        Self {
            inner: connect::open(options, config, inspect),
            name,
            create_timeout: config.create_timeout,
            acquire_timeout: config.acquire_timeout,
            statement_timeout: limits.timeout,
            slow_statement: limits.slow,
            counts: Arc::default(),
        }
    }

    /// Takes a connection, waiting no longer than the pool allows and the request has time.
    pub(crate) async fn acquire(&self) -> Result<Lease, StoreError> {
        let started = Instant::now();
        let patience = self.patience();
        let left = time_left().filter(|left| *left < patience);
        let waiting = self.counts.wait();
        let acquired = tokio::time::timeout(left.unwrap_or(patience), self.inner.acquire()).await;
        drop(waiting);
        let connection = match acquired {
            Ok(Ok(connection)) => connection,
            Err(_) if left.is_some() => return Err(StoreError::TimedOut),
            Err(_) | Ok(Err(sqlx::Error::PoolTimedOut)) => return Err(self.timed_out(started.elapsed())),
            Ok(Err(error)) => return Err(SqlError::from(error).into()),
        };
        self.counts.note_lent(started.elapsed());
        Ok(Lease {
            connection,
            held: self.counts.hold(),
            _busy: self.counts.lend(),
        })
    }

    /// How many connections are lent.
    pub(crate) fn busy(&self) -> usize {
        self.counts.busy()
    }

    /// Begins a new minute of the figures.
    pub(crate) fn turn(&self) {
        self.counts.turn();
    }

    pub(crate) fn report(&self) -> PoolReport {
        let options = self.inner.options();
        PoolReport {
            role: self.name.role,
            min: options.get_min_connections(),
            max: options.get_max_connections(),
            open: self.inner.size(),
            idle: count(self.inner.num_idle()),
            acquire_timeout: self.acquire_timeout,
            ..self.counts.report()
        }
    }

    /// Who waits while there is room waits for a connection to be opened, which takes less long than one in use may.
    fn patience(&self) -> Duration {
        let has_room = self.inner.size() < self.inner.options().get_max_connections();
        if has_room {
            self.acquire_timeout.min(self.create_timeout)
        } else {
            self.acquire_timeout
        }
    }

    /// Tells a pool whose connections are all in use from one that could not open another.
    fn timed_out(&self, waited: Duration) -> StoreError {
        let (size, max) = (self.inner.size(), self.inner.options().get_max_connections());
        if size < max {
            self.counts.no_connection(&self.name)
        } else {
            self.counts.exhausted(&self.name, max, waited)
        }
    }

    /// How long a statement may run that begins now: what is left of the request, and no longer than configured.
    pub(crate) fn statement_timeout(&self) -> Result<Duration, StoreError> {
        shorter(self.statement_timeout, time_left()).ok_or(StoreError::TimedOut)
    }
}

impl Counts {
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Counts a connection as lent for as long as the answer lives.
    pub(crate) fn lend(self: &Arc<Self>) -> Counted {
        Counted::new(self, |counts| &counts.busy)
    }

    /// Counts somebody as waiting for as long as the answer lives.
    pub(crate) fn wait(self: &Arc<Self>) -> Counted {
        Counted::new(self, |counts| &counts.waiting)
    }

    pub(crate) fn hold(&self) -> Held {
        self.holders.hold()
    }

    /// Takes note of a connection that was lent, after so long a wait.
    pub(crate) fn note_lent(&self, waited: Duration) {
        self.waits.note(waited);
        self.lent.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins a new minute of the figures.
    pub(crate) fn turn(&self) {
        self.waits.turn();
    }

    pub(crate) fn no_connection(&self, pool: &PoolName) -> StoreError {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
        StoreError::Unavailable(Box::new(NoConnection { pool: pool.clone() }))
    }

    pub(crate) fn exhausted(&self, pool: &PoolName, max: u32, waited: Duration) -> StoreError {
        self.timeouts.fetch_add(1, Ordering::Relaxed);
        StoreError::Unavailable(Box::new(PoolExhausted {
            pool: pool.clone(),
            max,
            waited,
            holders: self.holders.list(),
        }))
    }

    /// What was counted; the extent of the pool is for its owner to add.
    pub(crate) fn report(&self) -> PoolReport {
        PoolReport {
            active: count(self.busy()),
            waiting: count(self.waiting.load(Ordering::Relaxed)),
            lent: self.lent.load(Ordering::Relaxed),
            timeouts: self.timeouts.load(Ordering::Relaxed),
            waits: self.waits.times(),
            holders: self.holders.list(),
            ..PoolReport::default()
        }
    }
}

impl Counted {
    fn new(counts: &Arc<Counts>, which: fn(&Counts) -> &AtomicUsize) -> Self {
        which(counts).fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counts), which)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.role, self.node)
    }
}

/// The first holders, and how many there are besides.
struct Named<'h>(&'h [Holder]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.0.iter().take(HOLDERS_NAMED).map(Holder::to_string);
        f.write_str(&named.collect::<Vec<_>>().join("; "))?;
        match self.0.len().saturating_sub(HOLDERS_NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// There are at most as many as `max`, which is no larger.
pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub(crate) fn time_left() -> Option<Duration> {
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

    #[test]
    fn an_exhausted_pool_names_those_who_hold_it() {
        let holder = |name: &str| Holder {
            name: Some(name.to_owned()),
            request_id: None,
            held_for: Duration::from_millis(3100),
            statement: String::new(),
        };
        let error = PoolExhausted {
            pool: PoolName {
                role: "app",
                node: NodeName::new("primary"),
            },
            max: 7,
            waited: Duration::from_secs(3),
            holders: ["GET /a", "GET /b", "c", "d", "e", "f", "g"].map(holder).to_vec(),
        };

        assert_eq!(
            error.to_string(),
            "pool app on primary: none of its 7 connections became free within 3000 ms; held by GET /a for 3100 ms; \
             GET /b for 3100 ms; c for 3100 ms; d for 3100 ms; e for 3100 ms; and 2 more"
        );
    }
}
