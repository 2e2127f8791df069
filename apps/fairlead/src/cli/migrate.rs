use anyhow::Context as _;
use clap::Args;
use fairlead_migrations::{migrate, status};
use serde_json::json;

use crate::config::Config;
use crate::database::Database;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  fairlead migrate              apply what is pending
  fairlead migrate --status     only look";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct MigrateArgs {
    /// Say which steps are applied and which are pending, and change nothing
    #[arg(long)]
    status: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &MigrateArgs, config: &Config) -> anyhow::Result<()> {
    let database = Database::open_as_it_is(config, output::progress).await?;
    let owner = database.urls().owner.expose();
    let outcome = if args.status {
        show_status(args, owner).await
    } else {
        apply(args, owner).await
    };
    database.stop().await;
    outcome
}

async fn apply(args: &MigrateArgs, owner_url: &str) -> anyhow::Result<()> {
    let applied = migrate(owner_url)
        .await
        .context("cannot bring the schema up to date")?;
    if args.json {
        return output::print_json(&json!({ "applied": applied }));
    }
    if applied.is_empty() {
        return output::print("The schema is up to date.");
    }
    output::print(&format!(
        "Applied {} steps:\n  {}",
        applied.len(),
        applied.join("\n  ")
    ))
}

async fn show_status(args: &MigrateArgs, owner_url: &str) -> anyhow::Result<()> {
    let progress = status(owner_url).await.context("cannot look at the schema")?;
    if args.json {
        return output::print_json(&json!({ "applied": progress.applied, "pending": progress.pending }));
    }
    let heading = vec!["STEP".to_owned(), "STATE".to_owned()];
    let row = |state: &'static str| move |name: &String| vec![name.clone(), state.to_owned()];
    let rows: Vec<Vec<String>> = std::iter::once(heading)
        .chain(progress.applied.iter().map(row("applied")))
        .chain(progress.pending.iter().map(row("pending")))
        .collect();
    output::print(&output::table(&rows))
}
