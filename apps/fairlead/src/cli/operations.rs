use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;

use super::export::{Existing, Out, fetch};
use crate::output;
use crate::remote::{Form, Operation, Remote, RemoteArgs, Watched, left, operation_path, story, watch};

/// It is done, but some rows were rejected.
const REJECTED: u8 = 3;
/// Somebody has cancelled it.
const CANCELLED: u8 = 4;

const EXAMPLES: &str = "\
Examples:
  fairlead operations list
  fairlead operations watch 01934f6e-7b1a-7cc3-98a4-0242ac120011
  fairlead operations show $ID --json | jq '.errors[]'";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum OperationsCommand {
    /// List operations, the newest first
    List {
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        #[command(flatten)]
        shared: SharedArgs,
    },
    /// Show one, with its log and the rows that were rejected
    Show {
        #[command(flatten)]
        one: OneArgs,
    },
    /// Watch one to its end, with a progress bar
    Watch {
        #[command(flatten)]
        one: OneArgs,
    },
    /// Cancel one; what it has done until then stays done
    Cancel {
        #[command(flatten)]
        one: OneArgs,
    },
    /// Get the file that an export has written
    Fetch {
        #[command(flatten)]
        one: OneArgs,
        /// File to write; `-` for standard output
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// The operation's id
    id: String,
    #[command(flatten)]
    shared: SharedArgs,
}

#[derive(Debug, Args)]
pub(super) struct SharedArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Operation>,
}

pub(super) async fn run(command: &OperationsCommand) -> anyhow::Result<ExitCode> {
    crate::tls::install_provider();
    let shared = command.shared();
    Remote::with(&shared.remote, async |remote| match command {
        OperationsCommand::List { limit, .. } => list(remote, *limit, shared).await,
        OperationsCommand::Show { one } => {
            let operation = find(remote, one).await?;
            tell(&operation, shared.json)?;
            Ok(ExitCode::SUCCESS)
        }
        OperationsCommand::Watch { one } => follow(remote, one).await,
        OperationsCommand::Cancel { one } => {
            let operation: Operation = remote.client().delete(&operation_path(&one.id)).await?;
            tell(&operation, shared.json)?;
            Ok(ExitCode::SUCCESS)
        }
        OperationsCommand::Fetch { one, out, force } => {
            let operation = find(remote, one).await?;
            let out = Out::open(out, Existing::of(*force))?;
            let form = Form::of_json(shared.json);
            fetch(remote, &operation, out, form).await
        }
    })
    .await
}

impl OperationsCommand {
    fn shared(&self) -> &SharedArgs {
        match self {
            Self::List { shared, .. } => shared,
            Self::Show { one } | Self::Watch { one } | Self::Cancel { one } | Self::Fetch { one, .. } => {
                &one.shared
            }
        }
    }
}

async fn find(remote: &Remote, one: &OneArgs) -> anyhow::Result<Operation> {
    Ok(remote.client().get(&operation_path(&one.id)).await?)
}

async fn list(remote: &Remote, limit: u32, shared: &SharedArgs) -> anyhow::Result<ExitCode> {
    let path = format!("/api/v1/operations?limit={limit}");
    if shared.json {
        output::print_json(&remote.client().get::<Value>(&path).await?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let List { items } = remote.client().get(&path).await?;
    let heading = ["ID", "KIND", "STATE", "DONE", "OF", "REJECTED", "CREATED"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(items.into_iter().map(|operation| {
        let view = operation.view;
        vec![
            view.id,
            view.kind,
            view.state,
            view.progress.done.to_string(),
            view.progress
                .total
                .map(|total| total.to_string())
                .unwrap_or_default(),
            view.result.failed.to_string(),
            view.created_at,
        ]
    }));
    output::print(&output::table(&rows))?;
    Ok(ExitCode::SUCCESS)
}

async fn follow(remote: &mut Remote, one: &OneArgs) -> anyhow::Result<ExitCode> {
    let begun = find(remote, one).await?;
    let form = Form::of_json(one.shared.json);
    let Watched::Ended(end) = watch(remote, begun, form).await? else {
        return Ok(left(&one.id));
    };
    let exit_code = exit_code(&end);
    if !one.shared.json {
        let end = story(remote, *end).await;
        output::print(&for_people(&end))?;
    }
    Ok(exit_code)
}

fn tell(operation: &Operation, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        output::print_json(&operation.told)
    } else {
        output::print(&for_people(operation))
    }
}

/// What a command ends with that has watched an operation to its end.
pub(super) fn exit_code(operation: &Operation) -> ExitCode {
    let view = &operation.view;
    match &*view.state {
        "completed" if view.result.failed == 0 => ExitCode::SUCCESS,
        "completed" => ExitCode::from(REJECTED),
        "cancelled" => ExitCode::from(CANCELLED),
        _ => ExitCode::FAILURE,
    }
}

/// The first rows that were rejected, as a table; empty where there are none.
pub(super) fn faults(operation: &Operation, most: usize) -> String {
    let view = &operation.view;
    if view.errors.is_empty() {
        return String::new();
    }
    let mut rows = vec![["LINE", "FIELD", "REASON"].map(str::to_owned).to_vec()];
    let shown = view.errors.iter().take(most);
    rows.extend(shown.map(|fault| vec![fault.line.to_string(), fault.field.clone(), fault.reason.clone()]));
    let table = output::table(&rows);
    if view.errors.len() > most || view.errors_truncated {
        format!("{table}\n… and more: fairlead operations show {}", view.id)
    } else {
        table
    }
}

pub(super) fn for_people(operation: &Operation) -> String {
    let view = &operation.view;
    let percent = view.progress.percent.map(|percent| format!(" ({percent} %)"));
    let total = view.progress.total.map(|total| format!(" of {total}"));
    let mut rows = vec![
        ("operation", view.id.clone()),
        ("kind", view.kind.clone()),
        ("state", view.state.clone()),
        (
            "rows",
            format!(
                "{}{}{}",
                view.progress.done,
                total.unwrap_or_default(),
                percent.unwrap_or_default()
            ),
        ),
        (
            "result",
            format!(
                "{} done, {} left out as known, {} rejected",
                view.result.successful, view.result.skipped, view.result.failed
            ),
        ),
        ("by", view.created_by.clone()),
        ("created", view.created_at.clone()),
    ];
    rows.extend(view.finished_at.clone().map(|finished| ("ended", finished)));
    rows.extend(view.error.clone().map(|error| ("error", error)));
    rows.extend(
        view.log
            .iter()
            .map(|line| ("log", format!("{}  {}", line.at, line.text))),
    );
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    let faults = faults(operation, usize::MAX);
    let gap = if faults.is_empty() { "" } else { "\n\n" };
    format!("{}{gap}{faults}", output::table(&rows))
}
