//! The servers of one database: a primary, and replicas that follow it.
//!
//! A monitor looks at each of them ([`monitor`]) and keeps what it sees where every request can read it without a lock
//! ([`node`]). A read goes to a node that is fresh enough and stands in the rotation ([`route`], [`rotation`]); a write
//! goes to the primary. Choosing a node and taking a connection to it are two steps.

mod history;
mod last_writes;
mod monitor;
mod node;
mod position;
mod report;
mod rotation;
mod route;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use fairlead_domain::consistency::{NodeName, ReadIntent};
use fairlead_domain::database::NodeRole;
use fairlead_domain::events::Written;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::{StoreError, TimelineObserver};
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::config::{PgConfig, PoolConfig};
use crate::connection::{Connection, PgStatementMeters, Reach, ReadsById};
use crate::plans::Turns;
use crate::pool::{
    ConnectError, KnownReplay, Pool, PoolName, Spare, StatementLimits, Target, target, wait_for_database,
};
use history::History;
use monitor::Monitor;
use node::Seen;
use rotation::Fault;

pub use last_writes::LastWrites;
pub(crate) use node::Node;
pub use node::NodeDown;
pub use rotation::Standing;
pub(crate) use route::Route;

/// How often pools begin a new minute of their figures.
const TURN_EVERY: Duration = Duration::from_mins(1);
/// How PostgreSQL lists the connections of the monitor.
const MONITOR: &str = "fairlead-monitor";

/// The nodes of one database, and the connections to them.
#[derive(Debug)]
pub struct Cluster {
    primary: Arc<Node>,
    replicas: Vec<Arc<Node>>,
    /// Connections to the primary as the role that works across tenants.
    system: Pool,
    last_writes: Arc<LastWrites>,
    timelines: Arc<OnceLock<Arc<dyn TimelineObserver>>>,
    history: Arc<History>,
    /// How long a primary that has fallen silent is waited for.
    silence: Duration,
    /// How often pools are brought to the size they should have.
    reap_every: Duration,
    turn: AtomicUsize,
    /// To plan something on a connection of its own.
    planning: Turns,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Cluster {
    /// Connects to the primary, waiting for a database that is about to come up, and begins to watch all nodes.
    /// Replicas may be missing.
    pub async fn connect(config: &PgConfig) -> Result<Arc<Self>, ConnectError> {
        let primary_name = NodeName::new("primary");
        let system = target("the system role", "fairlead-system", &config.system_url)?;
        let app = target("the app role", "fairlead-app", &config.app_url)?;
        wait_for_both(config, &app, &system).await?;

        let statements = PgStatementMeters::default();
        let history = Arc::new(History::default());
        let timelines = Arc::new(OnceLock::new());
        let last_writes = Arc::new(LastWrites::default());
        let mut monitors = Vec::new();
        let mut watched = |name: NodeName, role, target: Target, pool: &PoolConfig| {
            let return_after = match role {
                NodeRole::Primary => Duration::ZERO,
                NodeRole::Replica | NodeRole::Analytics => config.monitor.return_after,
            };
            let seen = Arc::new(Seen::new(return_after));
            monitors.push(Monitor {
                name: name.clone(),
                role,
                target: target.named(MONITOR),
                config: config.monitor.clone(),
                seen: Arc::clone(&seen),
                history: Arc::clone(&history),
                last_writes: Arc::clone(&last_writes),
                timelines: Arc::clone(&timelines),
                conversation: None,
                known: None,
            });
            let pool_name = PoolName {
                role: "app",
                node: name.clone(),
            };
            Arc::new(Node {
                pool: Pool::new(
                    pool_name,
                    target,
                    pool.clone(),
                    limits(config),
                    statements.clone(),
                    known_replay(role, &seen),
                ),
                reads_by_id: ReadsById::default(),
                name,
                role,
                seen,
            })
        };
        let primary = watched(primary_name.clone(), NodeRole::Primary, app, &config.pool);
        let mut replicas = Vec::new();
        for replica in &config.replicas {
            let what = format!("the app role on {}", replica.name);
            let target = target(&what, "fairlead-app", &replica.url)?;
            let role = if replica.is_analytics {
                NodeRole::Analytics
            } else {
                NodeRole::Replica
            };
            replicas.push(watched(
                NodeName::new(replica.name.as_str()),
                role,
                target,
                &config.read_pool,
            ));
        }
        let system_name = PoolName {
            role: "system",
            node: primary_name,
        };
        let cluster = Arc::new(Self {
            primary,
            replicas,
            system: Pool::new(
                system_name,
                system,
                config.system_pool.clone(),
                limits(config),
                statements,
                None,
            ),
            last_writes,
            timelines,
            history,
            silence: config.monitor.timeout,
            reap_every: config.reap_every,
            turn: AtomicUsize::new(0),
            planning: Turns::default(),
            tasks: Mutex::default(),
        });
        cluster.watch(monitors).await;
        Ok(cluster)
    }

    /// Looks at each node once, the primary first because lag is measured against it, and then goes on looking.
    async fn watch(self: &Arc<Self>, mut monitors: Vec<Monitor>) {
        for monitor in &mut monitors {
            monitor.look().await;
        }
        let pools: Vec<Pool> = self.pools().cloned().collect();
        let maintained = pools.clone();
        let turning = every("turn-pools", TURN_EVERY, move || {
            pools.iter().for_each(Pool::turn);
        });
        let maintaining = every("prune-pools", self.reap_every, move || {
            maintained.iter().for_each(Pool::prune);
        });
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.extend(monitors.into_iter().map(Monitor::spawn));
        tasks.extend([turning, maintaining]);
    }

    /// Has this thread open its part of the connections that are always open, now and as others are closed. For each
    /// thread that serves requests: a connection that the thread has opened need not move to it.
    pub fn keep_open_here(self: &Arc<Self>) {
        let cluster = Arc::downgrade(self);
        fairlead_telemetry::spawn_supervised("fill-pools", move || {
            let cluster = Weak::clone(&cluster);
            async move {
                while let Some(cluster) = cluster.upgrade() {
                    join_all(cluster.pools().map(Pool::fill)).await;
                    let again_in = cluster.reap_every;
                    drop(cluster);
                    tokio::time::sleep(again_in).await;
                }
            }
        });
    }

    /// The last writes of each tenant, to be told of those of other processes, too.
    pub fn last_writes(&self) -> Arc<LastWrites> {
        Arc::clone(&self.last_writes)
    }

    /// Tells `observer` which timeline the primary is on, now and whenever it was looked at. Only the first is told.
    pub fn tell_timelines_to(&self, observer: Arc<dyn TimelineObserver>) {
        let timeline = self.primary.position().timeline;
        if timeline > 0 {
            observer.note_timeline(timeline);
        }
        self.timelines.get_or_init(|| observer);
    }

    /// Ends the monitor, and closes all connections once the units of work that are open have ended.
    pub async fn close(&self) {
        self.end_tasks();
        join_all(self.pools().map(Pool::close)).await;
    }

    /// Closes connections that nobody uses; returns how many.
    pub fn close_idle(&self, which: Spare) -> u64 {
        self.pools().map(|pool| pool.close_idle(which) as u64).sum()
    }

    /// Counts no statements from now on, which costs a little each time.
    pub fn measure_nothing(&self) {
        self.primary.pool.statements().switch_off();
    }

    pub(crate) fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.nodes().map(|node| &node.pool).chain([&self.system])
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        [&self.primary].into_iter().chain(&self.replicas)
    }

    pub(crate) fn app_pool(&self) -> &Pool {
        &self.primary.pool
    }

    pub(crate) fn system_pool(&self) -> &Pool {
        &self.system
    }

    /// Where the role that works across tenants connects to, for connections that are not of the pool.
    pub(crate) fn system_target(&self) -> &Target {
        self.system.target()
    }

    pub(crate) fn planning(&self) -> &Turns {
        &self.planning
    }

    pub(crate) fn primary(&self) -> &Node {
        &self.primary
    }

    pub(crate) fn write(self: &Arc<Self>, tenant: TenantId) -> Connection {
        Connection::writing(Arc::clone(self), self.primary.pool.clone(), Reach::Write(tenant))
    }

    pub(crate) fn system(self: &Arc<Self>) -> Connection {
        Connection::writing(Arc::clone(self), self.system.clone(), Reach::System)
    }

    /// As the application role, outside any tenant.
    pub(crate) fn app(self: &Arc<Self>) -> Connection {
        Connection::writing(Arc::clone(self), self.primary.pool.clone(), Reach::System)
    }

    /// On a node that sees what `intent` asks, and what was written in the tenant lately.
    pub(crate) fn read(self: &Arc<Self>, tenant: TenantId, intent: ReadIntent) -> Connection {
        let intent = intent.raised_to(self.last_writes.of(tenant));
        Connection::reading(Route::new(Arc::clone(self), tenant, intent))
    }

    /// Up to where the primary was written when it was seen last.
    pub(crate) fn written(&self) -> Option<Written> {
        let latest = self.history.latest();
        latest.map(|(position, seen)| Written { position, seen })
    }

    /// Fails at once while the primary is known to be gone. It may be the machine that is slow when it is silent.
    pub(crate) fn require_primary(&self) -> Result<(), StoreError> {
        match self.primary.standing() {
            Standing::Unknown | Standing::Serving | Standing::Returning | Standing::Out(Fault::Silent) => {
                Ok(())
            }
            Standing::Out(_) => Err(self.primary.down()),
        }
    }

    /// Does what needs the primary; one that has fallen silent is tried, but not for as long.
    pub(crate) async fn with_primary<T, E: From<StoreError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.require_primary()?;
        if self.primary.standing() != Standing::Out(Fault::Silent) {
            return work.await;
        }
        timeout(self.silence, Box::pin(work))
            .await
            .map_err(|_| self.primary.down())?
    }

    /// All replicas, beginning with another one each time: of those equally loaded the first is taken.
    fn replicas_by_turn(&self) -> impl Iterator<Item = &Arc<Node>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let (before, from) = self
            .replicas
            .split_at(turn.checked_rem(self.replicas.len()).unwrap_or(0));
        from.iter().chain(before)
    }

    fn end_tasks(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for task in tasks.drain(..) {
            task.abort();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end_tasks();
    }
}

fn limits(config: &PgConfig) -> StatementLimits {
    StatementLimits {
        timeout: config.statement_timeout,
        slow: config.slow_statement,
    }
}

/// A replica that was restarted serves reads before it has replayed again all that it had. What is known of it holds
/// for a new connection only if it has come as far by now.
fn known_replay(role: NodeRole, seen: &Arc<Seen>) -> KnownReplay {
    let seen = Arc::clone(seen);
    let known: Arc<dyn Fn() -> u64 + Send + Sync> = Arc::new(move || seen.position.load().lsn);
    (role != NodeRole::Primary).then_some(known)
}

/// Does something again and again, until the task is aborted.
fn every(name: &'static str, period: Duration, work: impl Fn() + Send + Sync + 'static) -> JoinHandle<()> {
    let work = Arc::new(work);
    fairlead_telemetry::spawn_supervised(name, move || {
        let work = Arc::clone(&work);
        async move {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                work();
            }
        }
    })
}

/// Waits for both roles beside each other.
async fn wait_for_both(config: &PgConfig, app: &Target, system: &Target) -> Result<(), ConnectError> {
    let wait = |role, target| {
        // Large, and once.
        Box::pin(wait_for_database(
            role,
            target,
            config.patience,
            config.retry_every,
        ))
    };
    let (app_is_there, system_is_there) =
        tokio::join!(wait("the app role", app), wait("the system role", system));
    app_is_there.and(system_is_there)
}
