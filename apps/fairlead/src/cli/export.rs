use std::fs::{File, hard_link, remove_file, rename};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::Args;
use fairlead_domain::clock::Ids as _;
use fairlead_http::{ApiDownload, ApiError};
use indicatif::ProgressBar;
use serde_json::json;
use tokio::signal::ctrl_c;
use tokio::sync::{mpsc, oneshot};

use super::import::{FileFormat, detached};
use super::operations;
use crate::output::{self, counted};
use crate::remote::{
    Form, INTERRUPTED, Operation, Remote, RemoteArgs, UsageError, Watched, bytes_bar, left, parameters, watch,
};
use crate::system::SystemIds;

const EXAMPLES: &str = "\
Examples:
  FAIRLEAD_API_KEY=tk_… fairlead export --tenant acme --out leads.csv
  fairlead export --out new.ndjson --created-after 2026-11-01T00:00:00Z
  fairlead export --out - --format csv | head

The server writes the file in the background, and keeps it for a day. Ctrl-C stops the watching alone, and says how to go \
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
    if args.out == Path::new("-") && args.json {
        return Err(UsageError("--json and --out - both print; choose one".to_owned()).into());
    }
    let out = if args.detach {
        None
    } else {
        Some(Out::open(&args.out, Existing::of(args.force))?)
    };
    Remote::with(&args.remote, async |remote| {
        export(remote, args, format, out).await
    })
    .await
}

async fn export(
    remote: &mut Remote,
    args: &ExportArgs,
    format: FileFormat,
    out: Option<Out>,
) -> anyhow::Result<ExitCode> {
    let path = format!("/api/v1/leads/export{}", args.filter.query(format));
    let key = SystemIds.next().to_string();
    let begun: Operation = tokio::select! {
        pressed = ctrl_c() => {
            pressed?;
            output::progress("Whether the export was begun is told by: fairlead operations list");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        begun = remote.client().post(&path, Some(&key), None) => begun?,
    };
    let id = begun.view.id.clone();
    let Some(out) = out else {
        return detached(&begun, args.json);
    };
    let form = Form::of_json(args.json);
    let Watched::Ended(end) = watch(remote, begun, form).await? else {
        return Ok(left(&id));
    };
    fetch(remote, &end, out, form).await
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

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Stays,
    IsReplaced,
}

impl Existing {
    pub(super) fn of(force: bool) -> Self {
        if force { Self::IsReplaced } else { Self::Stays }
    }
}

/// Where a file goes.
#[derive(Debug)]
pub(super) enum Out {
    StandardOutput,
    File(Part),
}

impl Out {
    /// Makes the file that is written, so that nothing is asked for that could not be.
    pub(super) fn open(path: &Path, existing: Existing) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::StandardOutput);
        }
        Part::beside(path, existing).map(Self::File)
    }
}

/// Gets the file of an export that has ended, and says what has come of it.
pub(super) async fn fetch(
    remote: &mut Remote,
    end: &Operation,
    mut out: Out,
    form: Form,
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
            return Ok(ExitCode::from(INTERRUPTED));
        }
        fetched = receive(remote, &download.url, &mut out) => fetched.with_context(|| {
            format!("cannot fetch the file; the server keeps it for a day: fairlead operations fetch {} --out FILE", view.id)
        })?,
    };
    let Out::File(Part { path, .. }) = &out else {
        return Ok(ExitCode::SUCCESS);
    };
    let rows = view.result.successful;
    if form == Form::JsonLines {
        let line = json!({ "event": "written", "file": path, "bytes": fetched, "rows": rows });
        output::print(&line.to_string())?;
    } else {
        output::print(&format!(
            "{} of {} {} in {}.",
            counted(rows, "lead"),
            remote.tenant,
            if rows == 1 { "is" } else { "are" },
            path.display()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns how many bytes have come.
async fn receive(remote: &mut Remote, url: &str, out: &mut Out) -> anyhow::Result<u64> {
    let mut download = match remote.client().download(url).await {
        // The credential has come to its end while the operation was watched.
        Err(ApiError::Refused(problem)) if problem.status == 401 && remote.renew().await? => {
            remote.client().download(url).await?
        }
        download => download?,
    };
    let bar = bytes_bar(download.bytes, "fetching");
    let received = match out {
        Out::StandardOutput => print(&mut download, &bar).await,
        Out::File(part) => part.write(&mut download, &bar).await,
    };
    bar.finish_and_clear();
    match received {
        // The reader has seen enough, as `head` has.
        Err(error) if matches!(out, Out::StandardOutput) && is_broken_pipe(&error) => Ok(bar.position()),
        received => received,
    }
}

async fn copy(
    download: &mut ApiDownload,
    to: &mut (impl Write + Send),
    bar: &ProgressBar,
) -> anyhow::Result<u64> {
    while let Some(chunk) = download.chunk().await? {
        to.write_all(&chunk).map_err(CannotWrite)?;
        bar.inc(chunk.len() as u64);
    }
    to.flush().map_err(CannotWrite)?;
    whole(download, bar)
}

/// Writes to standard output by a thread of its own: a pipe that is full holds up nothing else, and Ctrl-C ends it.
async fn print(download: &mut ApiDownload, bar: &ProgressBar) -> anyhow::Result<u64> {
    let (chunks, mut coming) = mpsc::channel::<Bytes>(1);
    let (ended, end) = oneshot::channel();
    // Not one of the runtime's, which would wait for it at the end of the process.
    thread::spawn(move || {
        let mut print = || -> io::Result<()> {
            let mut stdout = io::stdout().lock();
            while let Some(chunk) = coming.blocking_recv() {
                stdout.write_all(&chunk)?;
            }
            stdout.flush()
        };
        // Who would be told is gone after Ctrl-C.
        let _ = ended.send(print());
    });
    while let Some(chunk) = download.chunk().await? {
        let length = chunk.len() as u64;
        if chunks.send(chunk).await.is_err() {
            break;
        }
        bar.inc(length);
    }
    drop(chunks);
    let printed = end.await.context("the thread that prints is gone")?;
    printed.map_err(CannotWrite)?;
    whole(download, bar)
}

/// Returns how many bytes have come, if that is all.
fn whole(download: &ApiDownload, bar: &ProgressBar) -> anyhow::Result<u64> {
    match download.bytes {
        Some(bytes) if bytes != bar.position() => bail!("{} of {bytes} bytes came", bar.position()),
        _ => Ok(bar.position()),
    }
}

/// A file that is not whole, beside the name that it gets when it is. It is removed, however its writing ends.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    /// Where it is written.
    beside: PathBuf,
    path: PathBuf,
    existing: Existing,
}

impl Part {
    fn beside(path: &Path, existing: Existing) -> anyhow::Result<Self> {
        let is_there = |path: &Path| {
            let path = path.display();
            UsageError(format!("{path} is there already; --force replaces it"))
        };
        if path.exists() && existing == Existing::Stays {
            return Err(is_there(path).into());
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(".part");
        let beside = PathBuf::from(beside);
        let opened = match existing {
            Existing::Stays => File::create_new(&beside),
            Existing::IsReplaced => File::create(&beside),
        };
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(is_there(&beside).into());
            }
            opened => opened.with_context(|| format!("cannot write {}", beside.display()))?,
        };
        Ok(Self {
            file,
            beside,
            path: path.to_owned(),
            existing,
        })
    }

    /// Writes the file, and gives it its name when it is whole. Returns how many bytes it has.
    async fn write(&mut self, download: &mut ApiDownload, bar: &ProgressBar) -> anyhow::Result<u64> {
        let received = copy(download, &mut self.file, bar).await?;
        self.file.sync_all().map_err(CannotWrite)?;
        let named = match self.existing {
            Existing::IsReplaced => rename(&self.beside, &self.path),
            // A second name is refused where a file has come meanwhile; some file systems have none.
            Existing::Stays => match hard_link(&self.beside, &self.path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    rename(&self.beside, &self.path)
                }
                linked => linked,
            },
        };
        named.with_context(|| format!("cannot name the file {}", self.path.display()))?;
        Ok(received)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Where it cannot be removed, there is a more telling error; it has another name by then where it was renamed.
        let _ = remove_file(&self.beside);
    }
}

/// What has come could not be written: a connection that breaks is another matter.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the file")]
struct CannotWrite(#[source] io::Error);

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let written = error.downcast_ref::<CannotWrite>();
    written.is_some_and(|error| error.0.kind() == io::ErrorKind::BrokenPipe)
}
