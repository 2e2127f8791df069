//! The private services of a run, and the data in them.

use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result};
use fairlead_devstack::{Durability, Postgres, Root, Service, Stack, StackOptions, wait_until};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

use super::process;
use crate::full;
use crate::phases::Waiting;
use crate::product::Product;

/// Settings of PostgreSQL beside those of every private one. Nothing that makes a commit durable is relaxed.
const SETTINGS: [(&str, &str); 8] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "1GB"),
    // No checkpoint in the middle of a round: it would hit whoever is measured then.
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "30min"),
    ("max_connections", "300"),
    ("autovacuum", "on"),
];

/// The tenant that is measured.
pub(crate) const TENANT: &str = "bench";

/// How many rows there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Names the database that keeps the data for the next run.
    kept: &'static str,
    leads: u64,
    other_tenants: u64,
    leads_of_others: u64,
}

impl Size {
    pub(crate) const FULL: Self = Self {
        kept: "bench_full",
        leads: 200_000,
        other_tenants: 99,
        leads_of_others: 1_000,
    };
    pub(crate) const SMALL: Self = Self {
        kept: "bench_small",
        leads: 5_000,
        other_tenants: 4,
        leads_of_others: 200,
    };
}

/// Running services with loaded data.
#[derive(Debug)]
pub(crate) struct Stage {
    stack: Stack,
    pub(crate) postgres: Postgres,
    postmaster: u32,
    pub(crate) redis: String,
    pub(crate) owner: Owner,
    pub(crate) data: Data,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) version: String,
}

/// How to log in to the measured tenant.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Owner {
    pub(crate) email: String,
    pub(crate) password: String,
}

/// What is in the database.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Data {
    pub(crate) tenants: u64,
    /// Of the tenant that is measured, as are the rest.
    pub(crate) leads: u64,
    pub(crate) activities: u64,
    pub(crate) leads_with_activities: u64,
}

impl Stage {
    /// Starts the services and gives each run the same data, made by the product and kept from run to run.
    pub(crate) fn set(product: &mut Product, data_dir: &Path, size: Size) -> Result<Self> {
        let options = StackOptions {
            root: Root::Persistent(data_dir.to_owned()),
            durability: Durability::Safe,
        };
        let stack = Stack::start(options, &|step| eprintln!("── {step}"))?;
        let postgres = stack.postgres()?;
        for (name, value) in SETTINGS {
            postgres.run_sql("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'"))?;
        }
        stack.restart(Service::Postgres)?;
        let redis = stack.ensure(Service::Redis)?.url;

        let owner = provide_data(product, &stack, &postgres, data_dir, size)?;
        let mut settings = Vec::new();
        for (name, _) in SETTINGS {
            settings.push((
                name.to_owned(),
                postgres.run_sql("postgres", &format!("SHOW {name}"))?,
            ));
        }
        Ok(Self {
            postmaster: postmaster(&postgres)?,
            data: Data::count(&postgres)?,
            version: postgres.run_sql("postgres", "SHOW server_version")?,
            stack,
            postgres,
            redis,
            owner,
            settings,
        })
    }

    /// Returns one column of the rows of a statement.
    pub(crate) fn column(&self, sql: &str) -> Result<Vec<String>> {
        let text = self.postgres.run_sql("fairlead", sql)?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Waits until PostgreSQL has finished what clients that are gone asked of it.
    pub(crate) fn settle(&self) -> Result<()> {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename LIKE 'fairlead%'";
        let mut failed = None;
        let settled = wait_until(Duration::from_mins(2), || {
            match self.postgres.run_sql("postgres", sql) {
                Ok(count) => count == "0",
                Err(error) => {
                    failed = Some(error);
                    true
                }
            }
        });
        match failed {
            Some(error) => Err(error.into()),
            None if settled => Ok(()),
            None => anyhow::bail!("PostgreSQL still works on statements of a measurement that is over"),
        }
    }

    pub(crate) fn cpu(&self) -> Result<Duration> {
        process::cpu_with_children(self.postmaster)
    }

    pub(crate) fn stop(self) {
        self.stack.stop();
    }
}

/// Makes the database `fairlead`: a copy of the one that is kept, or, the first time, a new one that is kept then.
fn provide_data(
    product: &mut Product,
    stack: &Stack,
    postgres: &Postgres,
    data_dir: &Path,
    size: Size,
) -> Result<Owner> {
    let is_kept = |name: &str| -> Result<bool> {
        let sql = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
        Ok(postgres.run_sql("postgres", &sql)? == "1")
    };
    postgres.run_sql("postgres", "DROP DATABASE IF EXISTS fairlead WITH (FORCE)")?;
    let is_new = !is_kept(size.kept)?;
    if !is_new {
        eprintln!("── copying the data of an earlier run");
        copy(postgres, size.kept, "fairlead")?;
    }
    full::connect(product, stack, data_dir)?;
    if is_new {
        load(product, size)?;
        postgres.run_sql("fairlead", "VACUUM (FREEZE, ANALYZE)")?;
        copy(postgres, "fairlead", size.kept)?;
    }
    postgres.run_sql("fairlead", "ANALYZE; CHECKPOINT")?;
    // Finds all leads there, and sets a new password.
    let answer = demo(product, TENANT, size.leads)?;
    let owner = answer
        .get("owner")
        .cloned()
        .context("the product names no owner")?;
    Ok(serde_json::from_value(owner)?)
}

fn copy(postgres: &Postgres, from: &str, to: &str) -> Result<()> {
    let sql = format!("CREATE DATABASE {to} TEMPLATE {from} OWNER fairlead_owner STRATEGY FILE_COPY");
    postgres.run_sql("postgres", &sql)?;
    Ok(())
}

/// Has the product fill all tenants; two at a time, since each waits for its commits.
fn load(product: &Product, size: Size) -> Result<()> {
    eprintln!("── loading {} leads into the measured tenant", size.leads);
    demo(product, TENANT, size.leads)?;
    let mut waiting = Waiting::start("loading the other tenants");
    let others: Vec<u64> = (1..=size.other_tenants).collect();
    for pair in others.chunks(2) {
        crate::interrupt::check()?;
        waiting.tick();
        thread::scope(|scope| {
            let lanes: Vec<_> = pair
                .iter()
                .map(|number| {
                    scope.spawn(move || demo(product, &format!("{TENANT}-{number}"), size.leads_of_others))
                })
                .collect();
            lanes.into_iter().try_for_each(|lane| {
                lane.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                    .map(drop)
            })
        })?;
    }
    waiting.finish();
    Ok(())
}

pub(crate) fn demo(product: &Product, tenant: &str, leads: u64) -> Result<Value> {
    product.ask(&[
        "demo",
        "--tenant",
        tenant,
        "--leads",
        &leads.to_string(),
        "--json",
    ])
}

impl Data {
    fn count(postgres: &Postgres) -> Result<Self> {
        let count = |sql: &str| -> Result<u64> {
            let text = postgres.run_sql("fairlead", sql)?;
            text.parse().with_context(|| format!("{sql} did not count"))
        };
        let of_tenant = format!("WHERE tenant_id = (SELECT id FROM tenants WHERE slug = '{TENANT}')");
        Ok(Self {
            tenants: count("SELECT count(*) FROM tenants")?,
            leads: count(&format!("SELECT count(*) FROM leads {of_tenant}"))?,
            activities: count(&format!("SELECT count(*) FROM activities {of_tenant}"))?,
            leads_with_activities: count(&format!(
                "SELECT count(DISTINCT lead_id) FROM activities {of_tenant}"
            ))?,
        })
    }
}

/// Returns the process that all others of this PostgreSQL are children of.
fn postmaster(postgres: &Postgres) -> Result<u32> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
    let checkpointer = postgres.run_sql("postgres", sql)?;
    process::parent(
        checkpointer
            .parse()
            .context("PostgreSQL runs without a checkpointer")?,
    )
}
