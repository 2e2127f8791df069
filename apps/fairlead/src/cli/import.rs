use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use fairlead_domain::clock::Ids as _;
use indicatif::HumanCount;
use serde_json::json;
use tokio::signal::ctrl_c;

use super::operations;
use crate::output::{self, counted};
use crate::remote::{
    Form, INTERRUPTED, Operation, Remote, RemoteArgs, Source, UsageError, Watched, left, parameters, story,
    upload, watch,
};
use crate::system::SystemIds;

const EXAMPLES: &str = "\
Examples:
  FAIRLEAD_API_KEY=tk_… fairlead import leads.csv --tenant acme
  fairlead import leads.csv --key-file ~/.fairlead-key --skip-duplicates
  fairlead import leads.csv --url https://fairlead.example --ca-file ca.pem
  gunzip -c leads.ndjson.gz | fairlead import - --format ndjson
  fairlead import leads.csv --email ann@acme.example --password-file ~/.pw
  fairlead import leads.csv --json | jq .operation.progress

The server reads the whole file, and then imports it in the background. Ctrl-C while it is sent leaves nothing behind, \
unless all of it was sent: then the server may import it. Afterwards Ctrl-C stops the watching alone, and says how to go \
on with it or cancel it. The same file under the same --idempotency-key is imported once, however often it is sent within \
a day.

Exit codes: 0 all rows are imported or known, 1 it failed, 2 the command line is wrong, 3 some rows were rejected, \
4 somebody cancelled it, 130 Ctrl-C.";

/// Faults that are shown.
const SHOWN: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ImportArgs {
    /// CSV or NDJSON file; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it is [default: what its name ends with]
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// Leave out leads whose e-mail address or phone number is known
    #[arg(long)]
    skip_duplicates: bool,
    /// Names this import: a second one of this name is the same one [default: a new name]
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Do not wait for the end
    #[arg(long)]
    detach: bool,
    /// Print a line of JSON for each thing that happens
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FileFormat {
    Csv,
    Ndjson,
}

impl FileFormat {
    pub(super) fn of(path: &Path) -> Option<Self> {
        match &*path.extension()?.to_str()?.to_ascii_lowercase() {
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            _ => None,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

pub(super) async fn run(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    crate::tls::install_provider();
    let source = Source::open(&args.file)?;
    let format = args.format.or_else(|| FileFormat::of(&args.file));
    let format = format.ok_or_else(|| {
        UsageError(format!(
            "{} does not end with .csv or .ndjson: say --format",
            args.file.display()
        ))
    })?;
    Remote::with(&args.remote, async |remote| {
        import(remote, args, source, format).await
    })
    .await
}

async fn import(
    remote: &mut Remote,
    args: &ImportArgs,
    source: Source,
    format: FileFormat,
) -> anyhow::Result<ExitCode> {
    let given = args.idempotency_key.clone();
    let key = given.unwrap_or_else(|| SystemIds.next().to_string());
    let skip = args.skip_duplicates.then_some("true");
    let path = format!("/api/v1/leads/import{}", parameters(&[("skipDuplicates", skip)]));
    let sent = tokio::select! {
        pressed = ctrl_c() => {
            pressed?;
            output::progress(&format!(
                "Nothing is imported of a file that was not sent to its end. Where all of it was sent, the server may \
                 import it: sent again with --idempotency-key {key} it is imported once."
            ));
            return Ok(ExitCode::from(INTERRUPTED));
        }
        sent = upload(remote, source, format.media_type(), &path, &key) => sent,
    };
    let begun = sent.map_err(|error| {
        error.context(format!(
            "cannot send the file; sent again with --idempotency-key {key} it is imported once"
        ))
    })?;
    let id = begun.view.id.clone();
    if args.detach {
        return detached(&begun, args.json);
    }
    let form = Form::of_json(args.json);
    let Watched::Ended(end) = watch(remote, begun, form).await? else {
        return Ok(left(&id));
    };
    let exit_code = operations::exit_code(&end);
    if !args.json {
        let end = story(remote, *end).await;
        output::print(&for_people(remote, &end))?;
    }
    Ok(exit_code)
}

/// Says which operation does it.
pub(super) fn detached(begun: &Operation, as_json: bool) -> anyhow::Result<ExitCode> {
    let id = &begun.view.id;
    if as_json {
        output::print(&json!({ "event": "operation", "operation": begun.told }).to_string())?;
    } else {
        output::print(id)?;
        output::progress(&format!("To watch it: fairlead operations watch {id}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn for_people(remote: &Remote, end: &Operation) -> String {
    let view = &end.view;
    let what = match &*view.state {
        "completed" => format!("Imported into {}:", remote.tenant),
        "cancelled" => format!(
            "Cancelled; what was imported into {} until then is there:",
            remote.tenant
        ),
        _ => format!(
            "Failed: {}. What was imported into {} until then is there:",
            view.error.as_deref().unwrap_or("the server does not say why"),
            remote.tenant
        ),
    };
    let faults = operations::faults(end, SHOWN);
    let gap = if faults.is_empty() { "" } else { "\n\n" };
    format!(
        "{what} {} created, {} left out as known, {} rejected.{gap}{faults}",
        counted(view.result.successful, "lead"),
        HumanCount(view.result.skipped),
        counted(view.result.failed, "row"),
    )
}
