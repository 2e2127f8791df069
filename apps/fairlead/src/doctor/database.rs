use std::sync::Arc;
use std::time::{Duration, Instant};

use fairlead_domain::database::{DatabaseNodes as _, NodeReport, NodeRole};
use fairlead_postgres::health::{self, PoolHealth};
use fairlead_postgres::safety;

use super::{Check, server};
use crate::config::Config;
use crate::database::Database;
use crate::output::chain;
use crate::stores::{self, Stores};
use crate::system::{SystemClock, SystemIds};

/// A round trip that takes longer makes every request slow: each has at least two.
const SLOW: Duration = Duration::from_millis(20);
const PINGS: usize = 5;

pub(super) async fn check(config: &Config) -> Vec<Check> {
    let database = match Database::open_as_it_is(config, |_| {}).await {
        Ok(database) => database,
        Err(error) => {
            let fix = "the message says what is missing; an external database is named by database.url";
            return vec![Check::fail("database", chain(error.as_ref()), fix)];
        }
    };
    let mut checks = vec![Check::ok("database", database.describe())];
    checks.extend(examine(config, &database).await);
    database.stop().await;
    checks
}

async fn examine(config: &Config, database: &Database) -> Vec<Check> {
    let mut checks = vec![schema(config, database).await];
    let stores = match connect(config, database).await {
        Ok(stores) => stores,
        Err(error) => {
            let fix = "start the database, or correct database.url and database.system_url; roles and passwords are \
                       made by: fairlead bootstrap-sql | psql <superuser's URL>";
            checks.push(Check::fail("roles app, system", chain(error.as_ref()), fix));
            return checks;
        }
    };
    checks.extend(best_pings(&stores).await.iter().map(latency));
    checks.extend(stores.cluster.nodes().iter().filter_map(replica));
    checks.extend(isolation(&stores).await);
    checks.push(events(&stores).await);
    checks.extend(Box::pin(server::check(config, database, &stores)).await);
    stores.close().await;
    checks
}

async fn connect(config: &Config, database: &Database) -> anyhow::Result<Stores> {
    // Nothing here depends on the secret, and one is not made by looking.
    let secret = config
        .security
        .secret
        .clone()
        .unwrap_or_else(|| crate::config::Secret::new("doctor"));
    let settings = stores::command_config(config, database.urls(), &secret);
    Stores::connect(
        &settings,
        Arc::new(SystemClock),
        Arc::new(SystemIds),
        Vec::new(),
        config.jobs.priorities(),
    )
    .await
}

/// Connects as the owner, and looks at the schema by the way.
async fn schema(config: &Config, database: &Database) -> Check {
    const NAME: &str = "schema";
    let started = Instant::now();
    let progress = match fairlead_migrations::status(database.urls().owner.expose()).await {
        Ok(progress) => progress,
        Err(error) => {
            return Check::fail(
                NAME,
                chain(&error),
                "correct database.owner_url; see fairlead bootstrap-sql --help",
            );
        }
    };
    let (applied, pending) = (progress.applied.len(), progress.pending.len());
    let connected = format!(
        "role owner connects and looks in {} ms",
        started.elapsed().as_millis()
    );
    match pending {
        0 => Check::ok(NAME, format!("up to date, {applied} steps; {connected}")),
        _ if config.database.migrates_on_start() => Check::ok(
            NAME,
            format!("{pending} steps are pending and will be applied at the next start; {connected}"),
        ),
        _ => Check::fail(
            NAME,
            format!("{pending} steps are pending; {connected}"),
            "fairlead migrate",
        ),
    }
}

/// Pings a few times and keeps the best of each pool: an answer over a connection that had to be opened first says
/// nothing about the distance.
async fn best_pings(stores: &Stores) -> [PoolHealth; 2] {
    let mut best = health::ping(&stores.cluster).await;
    for _ in 1..PINGS {
        for (best, next) in best.iter_mut().zip(health::ping(&stores.cluster).await) {
            if matches!((&best.ping, &next.ping), (Ok(shortest), Ok(latency)) if latency < shortest) {
                *best = next;
            }
        }
    }
    best
}

fn latency(pool: &PoolHealth) -> Check {
    let name = if pool.name.role == "app" {
        "role app"
    } else {
        "role system"
    };
    match &pool.ping {
        Err(error) => Check::fail(name, chain(error), "see the log of the database server"),
        Ok(latency) => {
            let detail = format!("answers in {:.1} ms", latency.as_secs_f64() * 1000.0);
            if *latency > SLOW {
                Check::warn(
                    name,
                    detail,
                    "run this process nearer to the database; every request takes two round trips",
                )
            } else {
                Check::ok(name, detail)
            }
        }
    }
}

/// What the monitor saw when it looked first.
fn replica(node: &NodeReport) -> Option<Check> {
    const NAME: &str = "replica";
    if node.role == NodeRole::Primary {
        return None;
    }
    let lag = match node.lag {
        Some(lag) => format!("{} ms and {} bytes behind", lag.time.as_millis(), lag.bytes),
        None => "lag unknown".to_owned(),
    };
    let detail = format!("{} {}; {lag}", node.name, node.standing);
    let fix = "reads go elsewhere meanwhile; look at its log, at its URL in database.replicas, and at \
               pg_stat_replication on the primary";
    Some(if node.is_serving {
        Check::ok(NAME, detail)
    } else {
        Check::warn(NAME, detail, fix)
    })
}

async fn isolation(stores: &Stores) -> Vec<Check> {
    const NAME: &str = "tenant isolation";
    match safety::inspect(&stores.store, &stores.system).await {
        Err(error) => vec![Check::fail(NAME, chain(&error), "fairlead migrate")],
        Ok(faults) if faults.is_empty() => {
            vec![Check::ok(
                NAME,
                "roles are bound by row-level security, and every tenant table forces it",
            )]
        }
        Ok(faults) => faults
            .into_iter()
            .map(|fault| Check::fail(NAME, fault.what, fault.mend_sql))
            .collect(),
    }
}

async fn events(stores: &Stores) -> Check {
    const NAME: &str = "log of events";
    match health::is_log_ahead(&stores.system).await {
        Err(error) => Check::fail(NAME, chain(&error), "fairlead migrate"),
        Ok(false) => Check::ok(NAME, "its places are of this server"),
        Ok(true) => Check::fail(
            NAME,
            "the database was filled from a dump, and its events are ahead of all that this server records: nobody is \
             told of new ones, and nothing is done about them",
            "have the log begin anew before anything is served: fairlead events begin-anew; docs/events.md, After a restore",
        ),
    }
}
