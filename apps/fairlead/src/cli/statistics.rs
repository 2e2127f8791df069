use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use fairlead_domain::access::SystemScope;
use fairlead_domain::identity::TenantId;
use fairlead_domain::leads::{self, CounterDrift, LoadDrift};
use fairlead_domain::store::{SystemStore as _, SystemUnitOfWork};
use serde_json::json;

use super::session::Session;
use crate::config::Config;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  fairlead statistics repair --tenant acme
  fairlead statistics repair --all --json

Leads are counted by the transactions that write them, and so is what agents hold. A repair counts them anew and adds \
what the counters lack; the server may go on meanwhile. Only who assigns leads to an agent waits until its tenant is \
done.";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum StatisticsCommand {
    /// Compare the counters of leads, and what agents hold, with the leads, and mend and tell what is wrong
    Repair(RepairArgs),
}

#[derive(Debug, Args)]
pub(super) struct RepairArgs {
    #[command(flatten)]
    which: Which,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Slug of the tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Every tenant
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(command: &StatisticsCommand, config: &Config) -> anyhow::Result<()> {
    let StatisticsCommand::Repair(args) = command;
    let session = Session::open(config).await?;
    let outcome = repair(args, &session).await;
    session.close().await;
    outcome
}

async fn repair(args: &RepairArgs, session: &Session) -> anyhow::Result<()> {
    let mut uow = begin(session).await?;
    let tenants = if let Some(slug) = &args.which.tenant {
        vec![find(&mut *uow, slug).await?]
    } else {
        let all = uow.lead_counters().tenants().await;
        all.context("cannot list the tenants")?
    };
    drop(uow);
    let (mut drift, mut loads) = (Vec::new(), Vec::new());
    for tenant in tenants {
        let repaired = repair_tenant(session, tenant, &mut drift, &mut loads).await;
        if let Err(error) = repaired {
            // What was repaired before is durable, and is told.
            tell(&drift, &loads, args.json)?;
            return Err(error.context(format!("tenant {tenant}, and those behind it, were not repaired")));
        }
    }
    tell(&drift, &loads, args.json)
}

/// In a transaction of its own: who assigns leads to agents of this tenant waits for it, and nobody else.
async fn repair_tenant(
    session: &Session,
    tenant: TenantId,
    drift: &mut Vec<CounterDrift>,
    loads: &mut Vec<LoadDrift>,
) -> anyhow::Result<()> {
    let mut uow = begin(session).await?;
    let of_counters = leads::repair_counters(&mut *uow, tenant)
        .await
        .context("cannot repair the counters")?;
    let of_loads = leads::repair_loads(&mut *uow, tenant)
        .await
        .context("cannot repair what agents hold")?;
    uow.commit().await.context("cannot repair the counters")?;
    drift.extend(of_counters);
    loads.extend(of_loads);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "counters of all tenants are compared")]
async fn begin(session: &Session) -> anyhow::Result<Box<dyn SystemUnitOfWork>> {
    session
        .stores
        .system
        .begin(&SystemScope::new("statistics by command line"))
        .await
        .context("cannot ask the database")
}

async fn find(uow: &mut dyn SystemUnitOfWork, slug: &str) -> anyhow::Result<TenantId> {
    let tenant = uow.accounts().find_tenant(slug).await;
    let tenant = tenant.context("cannot look for the tenant")?;
    Ok(tenant.ok_or_else(|| anyhow!("there is no tenant {slug}"))?.id)
}

fn tell(drift: &[CounterDrift], loads: &[LoadDrift], json: bool) -> anyhow::Result<()> {
    if json {
        let view = |drift: &CounterDrift| json!({ "tenantId": drift.tenant.to_string(), "status": drift.status.as_str(), "counted": drift.counted, "actual": drift.actual, "createdSeconds": drift.created_seconds });
        let load = |load: &LoadDrift| json!({ "tenantId": load.tenant.to_string(), "userId": load.agent.to_string(), "counted": load.counted, "actual": load.actual });
        return output::print_json(&json!({
            "repaired": drift.iter().map(view).collect::<Vec<_>>(),
            "repairedAgents": loads.iter().map(load).collect::<Vec<_>>(),
        }));
    }
    if drift.is_empty() && loads.is_empty() {
        return output::print("The counters agree with the leads.");
    }
    tell_loads(loads)?;
    if drift.is_empty() {
        return Ok(());
    }
    let heading = ["TENANT", "STATUS", "COUNTED", "ACTUAL", "CREATION TIMES OFF BY"]
        .map(str::to_owned)
        .to_vec();
    let rows = drift.iter().map(|drift| {
        vec![
            drift.tenant.to_string(),
            drift.status.to_string(),
            drift.counted.to_string(),
            drift.actual.to_string(),
            format!("{} s", drift.created_seconds),
        ]
    });
    output::print(&output::table(
        &std::iter::once(heading).chain(rows).collect::<Vec<_>>(),
    ))
}

fn tell_loads(loads: &[LoadDrift]) -> anyhow::Result<()> {
    if loads.is_empty() {
        return Ok(());
    }
    let heading = ["TENANT", "AGENT", "COUNTED", "ACTUAL"]
        .map(str::to_owned)
        .to_vec();
    let rows = loads.iter().map(|load| {
        vec![
            load.tenant.to_string(),
            load.agent.to_string(),
            load.counted.to_string(),
            load.actual.to_string(),
        ]
    });
    output::print(&output::table(
        &std::iter::once(heading).chain(rows).collect::<Vec<_>>(),
    ))
}
