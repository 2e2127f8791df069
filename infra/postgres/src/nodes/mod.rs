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

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fairlead_domain::consistency::{NodeName, ReadIntent};
use fairlead_domain::database::NodeRole;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::config::{PgConfig, PoolConfig};
use crate::connection::{Connection, Reach, begin};
use crate::pipeline::{KnownReplay, Pipelines};
use crate::pool::{
    ConnectError, Inspection, Pool, PoolName, StatementLimits, connect_options, wait_for_database,
};
use crate::transaction::Transaction;
use history::History;
use monitor::{Monitor, TURN_EVERY};
use node::Seen;
use rotation::Fault;

pub use last_writes::LastWrites;
pub(crate) use node::Node;
pub use node::NodeDown;
pub use rotation::Standing;
pub(crate) use route::Route;

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
    /// How long a primary that has fallen silent is waited for.
    silence: Duration,
    turn: AtomicUsize,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Cluster {
    /// Connects to the primary, waiting for a database that is about to come up, and begins to watch all nodes.
    /// Replicas may be missing.
    pub async fn connect(config: &PgConfig) -> Result<Arc<Self>, ConnectError> {
        let primary_name = NodeName::new("primary");
        let system_url = connect_options("the system role", "fairlead-system", &config.system_url)?;
        let primary_url = connect_options("the app role", "fairlead-app", &config.app_url)?;
        let (app, system) = tokio::join!(
            wait_for_database("the app role", &primary_url, config.patience),
            wait_for_database("the system role", &system_url, config.patience),
        );
        app?;
        system?;

        let history = Arc::new(History::default());
        let mut monitors = Vec::new();
        let mut watched = |name: NodeName, role, url: &str, options: PgConnectOptions, pool: &PoolConfig| {
            let return_after = match role {
                NodeRole::Primary => Duration::ZERO,
                NodeRole::Replica | NodeRole::Analytics => config.monitor.return_after,
            };
            let seen = Arc::new(Seen::new(return_after));
            monitors.push(Monitor {
                name: name.clone(),
                role,
                options: options.clone().application_name(MONITOR),
                config: config.monitor.clone(),
                seen: Arc::clone(&seen),
                history: Arc::clone(&history),
                connection: None,
            });
            let inspect = (role != NodeRole::Primary).then(|| same_server(&seen));
            let pool_name = PoolName {
                role: "app",
                node: name.clone(),
            };
            Arc::new(Node {
                pool: Pool::new(pool_name, options, pool, limits(config), inspect),
                pipelines: pipelines(config, pool, url, &name, known_replay(role, &seen)),
                name,
                role,
                seen,
            })
        };
        let primary = watched(
            primary_name.clone(),
            NodeRole::Primary,
            &config.app_url,
            primary_url,
            &config.pool,
        );
        let mut replicas = Vec::new();
        for replica in &config.replicas {
            let what = format!("the app role on {}", replica.name);
            let options = connect_options(&what, "fairlead-app", &replica.url)?;
            let role = if replica.is_analytics {
                NodeRole::Analytics
            } else {
                NodeRole::Replica
            };
            replicas.push(watched(
                NodeName::new(replica.name.as_str()),
                role,
                &replica.url,
                options,
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
            system: Pool::new(system_name, system_url, &config.system_pool, limits(config), None),
            last_writes: Arc::default(),
            silence: config.monitor.timeout,
            turn: AtomicUsize::new(0),
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
        let nodes: Vec<Arc<Node>> = self.nodes().cloned().collect();
        let turning = fairlead_telemetry::spawn(async move {
            let mut ticks = interval(TURN_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                pools.iter().for_each(Pool::turn);
                nodes
                    .iter()
                    .filter_map(|node| node.pipelines.as_ref())
                    .for_each(Pipelines::turn);
            }
        });
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.extend(monitors.into_iter().map(Monitor::spawn));
        tasks.push(turning);
    }

    /// The last writes of each tenant, to be told of those of other processes, too.
    pub fn last_writes(&self) -> Arc<LastWrites> {
        Arc::clone(&self.last_writes)
    }

    /// Ends the monitor, and closes all connections once the units of work that are open have ended.
    pub async fn close(&self) {
        self.end_tasks();
        self.nodes()
            .filter_map(|node| node.pipelines.as_ref())
            .for_each(Pipelines::close);
        let closing: Vec<_> = self
            .pools()
            .map(|pool| {
                let pool = pool.inner.clone();
                fairlead_telemetry::spawn(async move { pool.close().await })
            })
            .collect();
        for closed in closing {
            // Whatever it ended by, it has ended.
            let _ = closed.await;
        }
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

    pub(crate) async fn write(&self, tenant: TenantId) -> Result<Connection, StoreError> {
        self.on_primary(&self.primary.pool, Reach::Write(tenant)).await
    }

    pub(crate) async fn system(&self) -> Result<Connection, StoreError> {
        self.on_primary(&self.system, Reach::System).await
    }

    /// As the application role, outside any tenant.
    pub(crate) async fn app(&self) -> Result<Connection, StoreError> {
        self.on_primary(&self.primary.pool, Reach::System).await
    }

    /// On a node that sees what `intent` asks, and what was written in the tenant lately.
    pub(crate) fn read(self: &Arc<Self>, tenant: TenantId, intent: ReadIntent) -> Connection {
        let intent = intent.raised_to(self.last_writes.of(tenant));
        Connection::reading(Route::new(Arc::clone(self), tenant, intent))
    }

    async fn on_primary(&self, pool: &Pool, reach: Reach) -> Result<Connection, StoreError> {
        let sees = self.primary.position();
        let transaction = self.begin_on_primary(pool, reach).await?;
        Ok(Connection::on_primary(
            transaction,
            pool,
            reach,
            self.primary.name.clone(),
            sees,
        ))
    }

    async fn begin_on_primary(&self, pool: &Pool, reach: Reach) -> Result<Transaction, StoreError> {
        self.with_primary(begin(pool, reach)).await
    }

    /// Does what needs the primary; fails at once while that is known to be gone.
    async fn with_primary<T, E: From<StoreError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let primary = &self.primary;
        match primary.standing() {
            Standing::Unknown | Standing::Serving | Standing::Returning => work.await,
            // It may be the machine that is slow, so it is tried, but not for as long.
            Standing::Out(Fault::Silent) => timeout(self.silence, Box::pin(work))
                .await
                .map_err(|_| primary.down())?,
            Standing::Out(_) => Err(primary.down().into()),
        }
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

/// The pool of a node for reads of one round trip. Where it cannot be had, its reads take two.
fn pipelines(
    config: &PgConfig,
    pool: &PoolConfig,
    url: &str,
    node: &NodeName,
    known_replay: KnownReplay,
) -> Option<Pipelines> {
    if config.pipelines == 0 {
        return None;
    }
    let pool = PoolConfig {
        min: 0,
        max: config.pipelines,
        ..pool.clone()
    };
    let name = PoolName {
        role: "reads",
        node: node.clone(),
    };
    match Pipelines::new(name, url, pool, known_replay) {
        Ok(pipelines) => Some(pipelines),
        Err(unfit) => {
            tracing::warn!(db.node = %node, "reads on {node} take two round trips instead of one: {unfit}");
            None
        }
    }
}

fn known_replay(role: NodeRole, seen: &Arc<Seen>) -> KnownReplay {
    let seen = Arc::clone(seen);
    let known: Arc<dyn Fn() -> u64 + Send + Sync> = Arc::new(move || seen.position.load().lsn);
    (role != NodeRole::Primary).then_some(known)
}

/// A replica that was restarted serves reads before it has replayed again all that it had. What is known of it holds
/// for a new connection only if it has come as far by now.
fn same_server(seen: &Arc<Seen>) -> Inspection {
    let seen = Arc::clone(seen);
    Arc::new(move |connection: &mut PgConnection| {
        let known = seen.position.load();
        Box::pin(async move {
            let has_come_as_far: bool = sqlx::query_scalar(
                "SELECT COALESCE(pg_last_wal_replay_lsn() - '0/0'::pg_lsn >= $1::numeric, false)",
            )
            .bind(known.lsn.to_string())
            .fetch_one(connection)
            .await?;
            if has_come_as_far {
                return Ok(());
            }
            let behind = "the replica has not replayed what it had before it was restarted";
            Err(sqlx::Error::Io(std::io::Error::other(behind)))
        })
    })
}
