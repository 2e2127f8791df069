//! Connections to one node as one role, and who has them.
//!
//! A connection is lent to one unit of work at a time, and comes back as it was: outside any transaction, with no
//! answer outstanding. Where its borrower was dropped midway, it is settled in the background first ([`lent`]).

mod client;
mod connect;
mod counts;
mod exhaustion;
mod failure;
mod holders;
mod idle;
mod lent;
mod pipeline;
mod prepared;
mod supply;
mod target;
mod tls;
mod waits;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fairlead_domain::database::PoolReport;
use fairlead_domain::store::StoreError;
use fairlead_telemetry::request::{self, Phase};
use fairlead_telemetry::spans::{self, SpanBuilder, Status};
use tokio::sync::Semaphore;

use crate::config::PoolConfig;
use crate::connection::PgStatementMeters;
use crate::statement::Statement;
use counts::Counts;
use idle::Idle;

pub use connect::ConnectError;
pub(crate) use connect::{target, wait_for_database};
pub use exhaustion::{NoConnection, PoolExhausted, PoolName, ServerFull};
pub(crate) use failure::Failure;
pub(crate) use lent::Lent;
pub(crate) use pipeline::{Answer, Answers, End, Failed, Pipeline, Step};
pub use target::BadUrl;
pub(crate) use target::Target;

/// A wait for a connection that is shorter is none that a trace tells.
const WORTH_TELLING: Duration = Duration::from_micros(500);

/// A connection that was idle for longer is asked whether it is still there before it is lent.
const TEST_IF_IDLE_FOR: Duration = Duration::from_secs(30);

/// So many connections that are new may end before what is begun on them is answered.
const NEW_TRIED: u32 = 3;

/// Connections that nobody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spare {
    /// But for as many as are always open.
    BeyondMinimum,
    All,
}

/// Tells what a new connection must have replayed at least; `None` of a node that replays nothing.
pub(crate) type KnownReplay = Option<Arc<dyn Fn() -> u64 + Send + Sync>>;

/// The connections to one node as one role, with the limits of what runs on them.
#[derive(Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    name: PoolName,
    target: Target,
    config: PoolConfig,
    limits: StatementLimits,
    statements: PgStatementMeters,
    known_replay: KnownReplay,
    /// One for each connection that is lent or being opened.
    permits: Arc<Semaphore>,
    idle: Idle,
    counts: Arc<Counts>,
    closing: AtomicBool,
    /// Permits that the server has no room for.
    withheld: AtomicUsize,
}

/// What runs on the connections of a pool may take so long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatementLimits {
    pub(crate) timeout: Duration,
    pub(crate) slow: Duration,
}

impl Pool {
    /// Opens connections as they are asked for.
    pub(crate) fn new(
        name: PoolName,
        target: Target,
        config: PoolConfig,
        limits: StatementLimits,
        statements: PgStatementMeters,
        known_replay: KnownReplay,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                name,
                target,
                permits: Arc::new(Semaphore::new(config.max as usize)),
                config,
                limits,
                statements,
                known_replay,
                idle: Idle::default(),
                counts: Arc::default(),
                closing: AtomicBool::new(false),
                withheld: AtomicUsize::new(0),
            }),
        }
    }

    pub(crate) fn name(&self) -> &PoolName {
        &self.shared.name
    }

    pub(crate) fn target(&self) -> &Target {
        &self.shared.target
    }

    /// Statements that take longer are logged.
    pub(crate) fn slow_statement(&self) -> Duration {
        self.shared.limits.slow
    }

    /// What counts the statements that run on its connections.
    pub(crate) fn statements(&self) -> &PgStatementMeters {
        &self.shared.statements
    }

    /// Takes a connection and runs the first pipeline on it. `opening` makes what opens it, given how long a statement may
    /// run: no longer than configured, nor than the request that has waited for the connection has left.
    ///
    /// After the database restarted, an idle connection may fail at its first use; one that the server ends by itself, at
    /// any; after the schema changed, what it has prepared does, and is forgotten. While nothing can be durable yet, it is
    /// tried again, down to connections that are new, and a few of those: a server that has gone takes none.
    pub(crate) async fn begin(
        &self,
        opening: impl Fn(Duration) -> Result<Vec<Statement>, StoreError>,
        statements: &[&Statement],
        end: Option<End>,
    ) -> Result<(Lent, Answers), Failure> {
        let (mut most, mut most_new) = (self.shared.config.max, NEW_TRIED);
        loop {
            let mut lent = match self.lend().await {
                Err(StoreError::Interrupted(_)) if most_new > 0 => {
                    most_new -= 1;
                    continue;
                }
                lent => lent?,
            };
            let was_idle = lent.was_idle();
            let opening = opening(self.statement_timeout()?)?;
            let pipeline = Pipeline {
                opening: &opening,
                statements,
                end,
            };
            let failed = match lent.run(&pipeline).await {
                Ok(answers) => return Ok((lent, answers)),
                Err(failed) => failed,
            };
            let has_ended = failed.error.ends_connection();
            let tries = if was_idle && (has_ended || failed.is_of_stale_plan()) {
                &mut most
            } else if has_ended {
                &mut most_new
            } else {
                return Err(Failure::Pipeline(failed));
            };
            if *tries == 0 || failed.in_doubt {
                return Err(Failure::Pipeline(failed));
            }
            *tries -= 1;
        }
    }

    /// Waits for a connection no longer than the pool allows and the request has time.
    async fn lend(&self) -> Result<Lent, StoreError> {
        let shared = &self.shared;
        let started = Instant::now();
        let waiting = shared.counts.wait();
        let taken = shared.take(started).await;
        drop(waiting);
        let waited = started.elapsed();
        if let Some(request) = request::current() {
            request.note_phase(Phase::PoolWait, waited);
        }
        if waited >= WORTH_TELLING {
            spans::note(waited, Status::Unset, || {
                SpanBuilder::from_name("wait for a connection")
            });
        }
        let (client, permit) = taken?;
        shared.counts.note_lent(waited);
        Ok(Lent::new(Arc::clone(shared), client, permit))
    }

    /// How many connections are lent.
    pub(crate) fn busy(&self) -> usize {
        self.shared.counts.busy()
    }

    /// Begins a new minute of the figures.
    pub(crate) fn turn(&self) {
        self.shared.counts.turn();
    }

    pub(crate) fn report(&self) -> PoolReport {
        let shared = &self.shared;
        PoolReport {
            role: shared.name.role,
            min: shared.config.min,
            max: shared.config.max,
            acquire_timeout: shared.config.acquire_timeout,
            ..shared.counts.report()
        }
    }

    /// Closes what is worn, and what was idle for too long above the minimum.
    pub(crate) fn prune(&self) {
        let shared = &self.shared;
        shared.idle.retain(|client| !client.is_worn(&shared.config));
        let spare = shared.counts.open().saturating_sub(shared.config.min as usize);
        shared.idle.close_idle(spare, shared.config.idle_timeout);
    }

    /// Closes connections that nobody uses, and returns how many.
    pub(crate) fn close_idle(&self, which: Spare) -> usize {
        let shared = &self.shared;
        let open = shared.counts.open();
        let most = match which {
            Spare::BeyondMinimum => open.saturating_sub(shared.config.min as usize),
            Spare::All => open,
        };
        shared.idle.close_idle(most, Duration::ZERO)
    }

    /// Opens connections up to the minimum.
    pub(crate) async fn fill(&self) {
        let shared = &self.shared;
        while shared.counts.open() < shared.config.min as usize {
            let Ok(permit) = Arc::clone(&shared.permits).try_acquire_owned() else {
                return;
            };
            let Some(open) = shared.counts.try_open(shared.config.min as usize) else {
                return;
            };
            // Who needs the database finds out by itself that it is out of reach.
            let Ok(client) = shared.connect(open).await else {
                return;
            };
            shared.idle.put(client);
            drop(permit);
        }
    }

    /// Lends nothing any more, and closes all connections as they come back.
    pub(crate) async fn close(&self) {
        let shared = &self.shared;
        shared.closing.store(true, Ordering::Relaxed);
        let _all_are_back = shared.permits.acquire_many(shared.config.max).await;
        shared.permits.close();
        for client in shared.idle.drain() {
            client.close().await;
        }
    }

    /// How long a statement may run that begins now: what is left of the request, and no longer than configured.
    fn statement_timeout(&self) -> Result<Duration, StoreError> {
        shorter(self.shared.limits.timeout, time_left()).ok_or(StoreError::TimedOut)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
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
