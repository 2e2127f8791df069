use std::fs::{File, remove_file, rename};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use fairlead_domain::clock::Ids as _;
use fairlead_http::ApiDownload;
use indicatif::{HumanCount, ProgressBar};
use serde_json::json;
use tokio::signal::ctrl_c;

use super::import::{FileFormat, detached};
use super::operations;
use crate::output;
use crate::remote::{
    Form, Operation, Remote, RemoteArgs, UsageError, Watched, bytes_bar, left, parameters, watch,
};
use crate::system::SystemIds;

const EXAMPLES: &str = "\
Examples:
  FAIRLEAD_API_KEY=tk_… fairlead export --tenant acme --out leads.csv
  fairlead export --out new.ndjson --status NEW --created-after 2026-11-01T00:00:00Z
  fairlead export --out - --format csv | head

The server writes the file in the background, and keeps it for a day. Ctrl-C stops the watching alone, and says how to go
on with it or cancel it. The file is there under its name when it is whole, and not before.

Exit codes: 0 the file is there, 1 it failed, 2 the command line is wrong, 4 somebody cancelled it, 130 Ctrl-C.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExportArgs {
    /// File to write; `-` for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What to write [default: what its name ends with]
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Do not wait for the end; `fairlead operations fetch` gets the file
    #[arg(long)]
    detach: bool,
    /// Print a line of JSON for each thing that happens
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Which leads; all that is given must hold.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which leads")]
struct FilterArgs {
    /// NEW, CONTACTED, QUALIFIED or CLOSED
    #[arg(long)]
    status: Option<String>,
    #[arg(long)]
    source: Option<String>,
    /// Id of an agent, or `nobody`
    #[arg(long)]
    assigned_to: Option<String>,
    #[arg(long)]
    insurance_type: Option<String>,
    #[arg(long)]
    zip_code: Option<String>,
    /// Least quality score
    #[arg(long)]
    min_score: Option<String>,
    /// Moment such as 2026-11-01T00:00:00Z
    #[arg(long)]
    created_after: Option<String>,
    #[arg(long)]
    created_before: Option<String>,
    /// Words of the name and company; 1,000 of the leads that match
    #[arg(long)]
    search: Option<String>,
}

pub(super) async fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    crate::tls::install_provider();
    let format = args.format.or_else(|| FileFormat::of(&args.out));
    let format = format.ok_or_else(|| {
        UsageError(format!(
            "{} does not end with .csv or .ndjson: say --format",
            args.out.display()
        ))
    })?;
    let out = Out::of(&args.out, args.force)?;
    if out == Out::StandardOutput && args.json {
        return Err(UsageError("--json and --out - both print; choose one".to_owned()).into());
    }
    let mut remote = Remote::connect(&args.remote).await?;
    let path = format!("/api/v1/leads/export{}", args.filter.query(format));
    let key = SystemIds.next().to_string();
    let begun: Operation = remote.client().post(&path, Some(&key), None).await?;
    let id = begun.view.id.clone();
    if args.detach {
        return detached(&begun, args.json);
    }
    let form = if args.json {
        Form::JsonLines
    } else {
        Form::ForPeople
    };
    let Watched::Ended(end) = watch(&mut remote, begun, form).await? else {
        return Ok(left(&id));
    };
    fetch(&remote, &end, &out, args.json).await
}

impl FilterArgs {
    fn query(&self, format: FileFormat) -> String {
        let format = match format {
            FileFormat::Csv => "csv",
            FileFormat::Ndjson => "ndjson",
        };
        parameters(&[
            ("format", Some(format)),
            ("status", self.status.as_deref()),
            ("source", self.source.as_deref()),
            ("assignedTo", self.assigned_to.as_deref()),
            ("insuranceType", self.insurance_type.as_deref()),
            ("zipCode", self.zip_code.as_deref()),
            ("minScore", self.min_score.as_deref()),
            ("createdAfter", self.created_after.as_deref()),
            ("createdBefore", self.created_before.as_deref()),
            ("q", self.search.as_deref()),
        ])
    }
}

/// Where a file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Out {
    StandardOutput,
    File(PathBuf),
}

impl Out {
    /// Refuses a file that is there, unless it may be replaced.
    pub(super) fn of(path: &Path, may_replace: bool) -> Result<Self, UsageError> {
        if path == Path::new("-") {
            return Ok(Self::StandardOutput);
        }
        if path.exists() && !may_replace {
            let path = path.display();
            return Err(UsageError(format!(
                "{path} is there already; --force replaces it"
            )));
        }
        Ok(Self::File(path.to_owned()))
    }
}

/// Gets the file of an export that has ended, and says what has come of it.
pub(super) async fn fetch(
    remote: &Remote,
    end: &Operation,
    out: &Out,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let view = &end.view;
    let Some(download) = &view.download else {
        let why = view.error.as_deref().unwrap_or("it has written no file");
        output::progress(&format!("The operation is {}: {why}.", view.state));
        return Ok(operations::exit_code(end));
    };
    let fetched = tokio::select! {
        pressed = ctrl_c() => {
            pressed?;
            output::progress(&format!("The server keeps the file for a day: fairlead operations fetch {} --out FILE", view.id));
            return Ok(ExitCode::from(130));
        }
        fetched = receive(remote, &download.url, out) => fetched?,
    };
    let Out::File(path) = out else {
        return Ok(ExitCode::SUCCESS);
    };
    let rows = view.result.successful;
    if as_json {
        let line = json!({ "event": "written", "file": path, "bytes": fetched, "rows": rows });
        output::print(&line.to_string())?;
    } else {
        output::print(&format!(
            "{} leads of {} are in {}.",
            HumanCount(rows),
            remote.tenant,
            path.display()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the file beside its name, and gives it that when it is whole. Returns how many bytes it has.
async fn receive(remote: &Remote, url: &str, out: &Out) -> anyhow::Result<u64> {
    let mut download = remote.client().download(url).await?;
    let bar = bytes_bar(download.bytes, "fetching");
    let received = match out {
        Out::StandardOutput => match copy(&mut download, &mut io::stdout(), &bar).await {
            // The reader has seen enough, as `head` has.
            Err(error) if is_broken_pipe(&error) => Ok(bar.position()),
            copied => copied,
        },
        Out::File(path) => {
            let part = Part::beside(path);
            let cannot = || format!("cannot write {}", part.0.display());
            let mut file = File::create(&part.0).with_context(cannot)?;
            let received = copy(&mut download, &mut file, &bar).await?;
            rename(&part.0, path).with_context(|| format!("cannot name the file {}", path.display()))?;
            Ok(received)
        }
    };
    bar.finish_and_clear();
    received
}

async fn copy(
    download: &mut ApiDownload,
    to: &mut (impl Write + Send),
    bar: &ProgressBar,
) -> anyhow::Result<u64> {
    while let Some(chunk) = download.chunk().await? {
        to.write_all(&chunk).context("cannot write the file")?;
        bar.inc(chunk.len() as u64);
    }
    to.flush().context("cannot write the file")?;
    match download.bytes {
        Some(bytes) if bytes != bar.position() => bail!("{} of {bytes} bytes came", bar.position()),
        _ => Ok(bar.position()),
    }
}

/// A file that is not whole: it is removed, however its writing ends, unless it has another name by then.
struct Part(PathBuf);

impl Part {
    fn beside(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        Self(PathBuf::from(name))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Where it cannot be removed, there is a more telling error.
        let _ = remove_file(&self.0);
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.root_cause().downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
