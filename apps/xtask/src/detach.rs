//! `cargo xtask up --detach`: the same run, away from the terminal.

use std::env;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fairlead_devstack::{ProcessId, Signal, wait_until};

use crate::credentials::DevFile;
use crate::interrupt;
use crate::phases::Waiting;
use crate::running::Running;
use crate::up::UpArgs;

const GLANCE: Duration = Duration::from_millis(200);
const LOG: &str = "fairlead.log";

/// Starts a supervisor in a session of its own and returns when the product is ready.
pub(crate) fn run(args: &UpArgs, data_dir: &Path) -> Result<ExitCode> {
    let log = data_dir.join(LOG);
    let mut supervisor = spawn(args, data_dir, &log)?;
    let id = ProcessId::of_child(&supervisor)?;

    let mut waiting = Waiting::start("starting Fairlead");
    let mut outcome = look(&mut supervisor, id, data_dir)?;
    while outcome.is_none() && !interrupt::is_requested() {
        waiting.tick();
        wait_until(GLANCE, interrupt::is_requested);
        outcome = look(&mut supervisor, id, data_dir)?;
    }
    match outcome {
        Some(Outcome::Ready) => waiting.finish(),
        Some(Outcome::Failed) => bail!(
            "Fairlead did not start; {} ends:\n{}",
            log.display(),
            last_lines(&log)
        ),
        None => {
            id.signal(Signal::Terminate);
            supervisor.wait().context("cannot wait for the supervisor")?;
            bail!("interrupted");
        }
    }
    DevFile::load(data_dir)?
        .context("the supervisor wrote no dev.json")?
        .print(data_dir);
    println!(
        "\nIt runs until: cargo xtask down --data-dir {}\nIts log: {}",
        data_dir.display(),
        log.display()
    );
    Ok(ExitCode::SUCCESS)
}

enum Outcome {
    Ready,
    Failed,
}

fn look(supervisor: &mut Child, id: ProcessId, data_dir: &Path) -> Result<Option<Outcome>> {
    if supervisor
        .try_wait()
        .context("cannot look at the supervisor")?
        .is_some()
    {
        return Ok(Some(Outcome::Failed));
    }
    let running = Running::load(data_dir)?;
    Ok(running
        .filter(|running| running.supervisor == id && running.is_ready)
        .map(|_| Outcome::Ready))
}

fn spawn(args: &UpArgs, data_dir: &Path, log: &Path) -> Result<Child> {
    // Logs are nobody else's to read.
    let output = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(log);
    let output = output.with_context(|| format!("cannot create {}", log.display()))?;
    let own = env::current_exe().context("cannot find my own binary")?;
    // `setsid` becomes the supervisor: it is no group leader, so it need not fork.
    let mut command = Command::new("setsid");
    command
        .arg(own)
        .args([
            "up",
            "--supervise",
            "--port",
            &args.port.to_string(),
            "--data-dir",
        ])
        .arg(data_dir);
    command.args(
        [("--full", args.full), ("--release", args.release)]
            .iter()
            .filter(|flag| flag.1)
            .map(|flag| flag.0),
    );
    let copy = output
        .try_clone()
        .with_context(|| format!("cannot open {}", log.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(copy)
        .stderr(output)
        .spawn()
        .context("cannot start setsid")
}

fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
