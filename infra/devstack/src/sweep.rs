//! Stopping services whose owner is gone.
//!
//! Each running service has a record in its folder. A small shell script reads those records, and does so on two
//! occasions: as a watchdog when the owner ends without having stopped its services (it waits on a pipe that only
//! the owner holds), and at the next start in a folder where even the watchdog was killed.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{During as _, StackError};
use crate::folder::write_private;
use crate::lock::Lock;
use crate::process::{ProcessId, Signal};

const SCRIPT: &str = include_str!("sweep.sh");

/// Notes in `folder` that `id` runs there and what stops it.
pub(crate) fn record(folder: &Path, id: ProcessId, stop: Signal) -> Result<(), StackError> {
    let line = format!("{} {} {}\n", id.pid(), id.started(), stop.name());
    write_private(&folder.join("process"), &line)
}

/// Takes the note away: the process has ended.
pub(crate) fn forget(folder: &Path) {
    match fs::remove_file(folder.join("process")) {
        // A record of a process that has ended names no process at all, so one that stays does no harm.
        Ok(()) | Err(_) => {}
    }
}

/// Stops what an earlier owner left running below `place`.
pub(crate) fn sweep(place: &Path) -> Result<(), StackError> {
    let swept = command(place, None).stdin(Stdio::null()).status();
    swept
        .map(drop)
        .during(|| format!("stop what still runs in {}", place.display()))
}

/// A process that stops the services when its owner ends.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Watches over the services below `place`; `remove` is a folder to remove as well.
    ///
    /// It shares the owner's `lock`, so that nobody else starts services there before it is done.
    pub(crate) fn start(place: &Path, remove: Option<&Path>, lock: &Lock) -> Result<Self, StackError> {
        // The script prints nothing: standard output is merely a way to hand the lock over.
        let started = command(place, remove)
            .stdin(Stdio::piped())
            .stdout(lock.share()?)
            .spawn();
        started.map(Self).during(|| "start the watchdog".to_owned())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // `wait` closes the pipe first, so the script runs; after an orderly stop it finds nothing to do.
        let ended: io::Result<_> = self.0.wait();
        drop(ended);
    }
}

fn command(place: &Path, remove: Option<&Path>) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", SCRIPT, "fairlead-watchdog"])
        .arg(place)
        .arg(remove.unwrap_or(Path::new("")))
        .current_dir("/")
        // Away from the terminal: a Ctrl-C there must not reach it, nor may it keep the terminal's pipes open.
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}
