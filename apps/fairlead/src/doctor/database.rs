use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fairlead_postgres::health::{self, PoolHealth};
use fairlead_postgres::safety;

use super::{Check, server};
use crate::config::Config;
use crate::database::Database;
use crate::stores::{self, Stores};
use crate::system::{SystemClock, SystemIds};

/// A round trip that takes longer makes every request slow: each has at least two.
const SLOW: Duration = Duration::from_millis(20);

pub(super) async fn check(config: &Config) -> Vec<Check> {
    let database = match Database::open_as_it_is(config, |_| {}).await {
        Ok(database) => database,
        Err(error) => {
            let fix = "the message says what is missing; an external database is named by database.url";
            return vec![Check::fail("database", format!("{error:#}"), fix)];
        }
    };
    let mut checks = vec![Check::ok("database", database.describe())];
    checks.extend(examine(config, &database).await);
    database.stop().await;
    checks
}

async fn examine(config: &Config, database: &Database) -> Vec<Check> {
    let mut checks = vec![owner(database).await];
    let stores = match connect(config, database).await {
        Ok(stores) => stores,
        Err(error) => {
            let fix = "start the database, or correct database.url and database.system_url; roles and passwords are \
                       made by: fairlead bootstrap-sql | psql <superuser's URL>";
            checks.push(Check::fail("roles app, system", format!("{error:#}"), fix));
            return checks;
        }
    };
    checks.extend(health::ping(&stores.store, &stores.system).await.iter().map(latency));
    checks.extend(isolation(&stores).await);
    checks.extend(server::check(config, database, &stores).await);
    stores.close().await;
    checks
}

async fn connect(config: &Config, database: &Database) -> anyhow::Result<Stores> {
    // Nothing here depends on the secret, and one is not made by looking.
    let secret = config.security.secret.clone().unwrap_or_else(|| crate::config::Secret::new("doctor"));
    let settings = stores::command_config(config, database.urls(), &secret);
    Stores::connect(&settings, Arc::new(SystemClock), Arc::new(SystemIds)).await
}

/// Connects as the owner, and looks at the schema by the way.
async fn owner(database: &Database) -> Check {
    let started = Instant::now();
    match fairlead_migrations::status(database.urls().owner.expose()).await {
        Err(error) => Check::fail("schema", chain(&error), "correct database.owner_url; see fairlead bootstrap-sql"),
        Ok(progress) if progress.pending.is_empty() => Check::ok(
            "schema",
            format!(
                "up to date, {} steps; role owner connects and answers in {} ms",
                progress.applied.len(),
                started.elapsed().as_millis()
            ),
        ),
        Ok(progress) => {
            Check::fail("schema", format!("{} steps are pending", progress.pending.len()), "fairlead migrate")
        }
    }
}

fn latency(pool: &PoolHealth) -> Check {
    let name = if pool.name == "app" { "role app" } else { "role system" };
    match &pool.ping {
        Err(error) => Check::fail(name, chain(error), "see the log of the database server"),
        Ok(latency) => {
            let detail = format!("answers in {:.1} ms", latency.as_secs_f64() * 1000.0);
            if *latency > SLOW {
                Check::warn(name, detail, "run this process nearer to the database; every request takes two round trips")
            } else {
                Check::ok(name, detail)
            }
        }
    }
}

async fn isolation(stores: &Stores) -> Vec<Check> {
    const NAME: &str = "tenant isolation";
    match safety::inspect(&stores.store, &stores.system).await {
        Err(error) => vec![Check::fail(NAME, chain(&error), "fairlead migrate")],
        Ok(faults) if faults.is_empty() => {
            vec![Check::ok(NAME, "roles are bound by row-level security, and every tenant table forces it")]
        }
        Ok(faults) => faults.into_iter().map(|fault| Check::fail(NAME, fault.what, fault.mend_sql)).collect(),
    }
}

/// Returns an error with its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
