//! Child processes that end when we are asked to stop.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fairlead_devstack::{ProcessId, Signal, wait_until};

use crate::interrupt;

/// What a child may take to finish what it has in hand.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How often a running child is looked at.
const GLANCE: Duration = Duration::from_millis(200);

/// A child that leads a process group of its own: a Ctrl-C in the terminal reaches us alone, and we pass it on.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    id: ProcessId,
    name: String,
}

impl Group {
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).process_group(0).spawn();
        let child = child.with_context(|| format!("cannot start {name}"))?;
        let id = ProcessId::of_child(&child)?;
        Ok(Self { child, id, name })
    }

    pub(crate) fn id(&self) -> ProcessId {
        self.id
    }

    /// Returns the status of a child that has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Waits for the child's end; asked to stop, it stops the child and fails.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        let mut ended = None;
        while ended.is_none() && !interrupt::is_requested() {
            wait_until(GLANCE, || {
                ended = self.ended().transpose();
                ended.is_some() || interrupt::is_requested()
            });
        }
        let Some(status) = ended else {
            self.stop()?;
            bail!("interrupted");
        };
        status
    }

    /// Asks the child and all its group to end, and ends them if they do not in time.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.id.signal_group(Signal::Terminate);
        if !wait_until(STOP_LIMIT, || !matches!(self.ended(), Ok(None))) {
            eprintln!("{} does not end; killing it", self.name);
            self.id.signal_group(Signal::Kill);
        }
        self.child
            .wait()
            .map(drop)
            .with_context(|| format!("cannot wait for {}", self.name))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.id.is_alive()
            && let Err(error) = self.stop()
        {
            eprintln!("{error:#}");
        }
    }
}

/// Runs a command to its end and fails if that is not a success.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let mut group = Group::spawn(command)?;
    let status = group.wait()?;
    succeed(&group.name, status)
}

/// Runs a command to its end and returns whether that is a success.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    Ok(Group::spawn(command)?.wait()?.success())
}

/// Runs a command to its end and returns what it wrote to standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let mut group = Group::spawn(command.stdout(Stdio::piped()))?;
    let mut output = group
        .child
        .stdout
        .take()
        .expect("standard output was piped just above");
    // Read as it comes: a pipe holds 64 KiB, and who writes more waits for a reader.
    let reader = thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let status = group.wait()?;
    succeed(&group.name, status)?;
    reader
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        .with_context(|| format!("cannot read what {} wrote", group.name))
}

fn succeed(name: &str, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("{name} failed: {status}");
    }
    Ok(())
}
