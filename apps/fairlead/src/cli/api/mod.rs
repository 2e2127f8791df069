//! Every operation of the API as a command, by the description that the server answers itself: what is new there is here.

mod call;
mod description;
mod help;
mod request;
mod show;

use std::process::ExitCode;

use clap::{Args, CommandFactory as _};

use super::Cli;
use crate::output;
use crate::remote::{RemoteArgs, UsageError};
use description::Description;
pub(super) use show::table;

const EXAMPLES: &str = "\
Examples:
  fairlead api --list --filter lead       what there is
  fairlead api listLeads --help           its parameters, its body, an example
  fairlead api listLeads --param status=NEW --param limit=5
  fairlead api listLeads --all --json | jq '.items[].email'
  fairlead api createLead --body '{\"name\": \"Ann\"}'
  echo '{\"name\": \"Ann\"}' | fairlead api createLead --body -
  FAIRLEAD_OPERATOR_KEY=op_… fairlead api getPerformanceStatus

Where the server does something in the background it is watched to its end, with a progress bar; --detach says which \
operation it is, and leaves it.

Exit codes: 0 it is done, 1 it was refused or failed, 2 the command line is wrong, 3 done, but some rows were rejected, \
4 somebody cancelled it, 130 Ctrl-C.";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag by itself")]
#[command(after_help = EXAMPLES, disable_help_flag = true)]
pub(super) struct ApiArgs {
    /// Operation to call, such as listLeads
    #[arg(required_unless_present_any = ["list", "help"])]
    operation: Option<String>,
    /// A value of a parameter, in the path, the query or a header
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// What is sent: a file, `-` for standard input, or JSON itself
    #[arg(short, long, value_name = "FILE|-|JSON")]
    body: Option<String>,
    /// Go on to the end of a list, page by page
    #[arg(long)]
    all: bool,
    /// Do not wait for the end of what is done in the background
    #[arg(long)]
    detach: bool,
    /// Print what is answered, as JSON
    #[arg(long)]
    json: bool,
    /// List the operations
    #[arg(long, conflicts_with = "operation")]
    list: bool,
    /// List those with this in their names, paths or summaries
    #[arg(long, value_name = "TEXT", requires = "list")]
    filter: Option<String>,
    /// Show how it is called
    #[arg(short, long)]
    help: bool,
    /// File with the key of an operator [else: the key in `FAIRLEAD_OPERATOR_KEY`]
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    operator_key_file: Option<std::path::PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) async fn run(args: &ApiArgs) -> anyhow::Result<ExitCode> {
    let api = Description::embedded();
    if args.list {
        help::list(&api, args.filter.as_deref(), args.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(name) = &args.operation else {
        output::print(own_help().trim_end())?;
        return Ok(ExitCode::SUCCESS);
    };
    let operation = api.find(name)?;
    if args.help {
        output::print(&help::of_operation(operation))?;
        return Ok(ExitCode::SUCCESS);
    }
    if operation.answers.is_empty() {
        return Err(UsageError(format!(
            "{} is not a request with an answer: it opens a WebSocket; see docs/events.md",
            operation.id
        ))
        .into());
    }
    let given = request::Given::read(operation, &args.parameters)?;
    let body = request::body(operation, args.body.as_deref())?;
    call::run(&api, operation, args, given, body).await
}

/// The help of this command, which has its flag to itself: behind the name of an operation it is about that.
fn own_help() -> String {
    let mut command = super::command();
    command
        .find_subcommand_mut("api")
        .map_or_else(|| Cli::command().render_help(), clap::Command::render_help)
        .to_string()
}

/// The names of all operations, for shells that complete them.
pub(super) fn operations() -> Vec<&'static str> {
    description::ids().collect()
}
