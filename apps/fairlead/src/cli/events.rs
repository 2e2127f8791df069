use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use fairlead_migrations::{Forgotten, IfAhead, begin_events_anew};
use fairlead_postgres::health;
use serde_json::json;

use super::session::Session;
use crate::config::Config;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  fairlead events begin-anew           say what would go
  fairlead events begin-anew --yes

For a database that was filled from a dump, before anything is served. Where the log is of this server nothing is \
changed. Events that no consumer had handled are not handled any more, and clients that follow the log begin anew.";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum EventsCommand {
    /// Have the log of events begin anew, if it is of another server
    BeginAnew(BeginAnewArgs),
}

#[derive(Debug, Args)]
pub(super) struct BeginAnewArgs {
    /// Do it
    #[arg(long)]
    yes: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: &EventsCommand, config: &Config) -> anyhow::Result<()> {
    let EventsCommand::BeginAnew(args) = command;
    let session = Session::open(config).await?;
    let outcome = begin_anew(args, &session).await;
    session.close().await;
    outcome
}

async fn begin_anew(args: &BeginAnewArgs, session: &Session) -> anyhow::Result<()> {
    // Asked first as one who holds up nobody: this may be a server that serves.
    let is_ahead = health::is_log_ahead(&session.stores.system).await;
    if !is_ahead.context("cannot look at the log of events")? {
        return tell(args, None);
    }
    let then = if args.yes {
        IfAhead::BeginAnew
    } else {
        IfAhead::Tell
    };
    let forgotten = begin_events_anew(session.owner_url(), then).await;
    let forgotten =
        forgotten.context("cannot have the log of events begin anew; is anything served still?")?;
    tell(args, forgotten.as_ref())?;
    if forgotten.is_some() && !args.yes {
        bail!("nothing was changed: say --yes to have the log begin anew");
    }
    Ok(())
}

fn tell(args: &BeginAnewArgs, forgotten: Option<&Forgotten>) -> anyhow::Result<()> {
    if args.json {
        return output::print_json(&json!({
            "isAhead": forgotten.is_some(),
            "hasBegunAnew": forgotten.is_some() && args.yes,
            "events": forgotten.map_or(0, |forgotten| forgotten.events),
            "deliveries": forgotten.map_or(0, |forgotten| forgotten.deliveries),
            "replays": forgotten.map_or(0, |forgotten| forgotten.replays),
        }));
    }
    let Some(Forgotten {
        events,
        deliveries,
        replays,
    }) = forgotten
    else {
        return output::print("The log of events is of this server, or behind it: nothing was changed.\n");
    };
    let events = output::counted(*events, "event");
    let told = if args.yes {
        format!(
            "The log of events begins anew: {events} gone, deliveries that have failed: {deliveries}, replays that have \
             stopped: {replays}.\n"
        )
    } else {
        format!(
            "The log of events is of another server. If it begins anew {events} go; deliveries that fail: {deliveries}, \
             replays that stop: {replays}.\n"
        )
    };
    output::print(&told)
}
