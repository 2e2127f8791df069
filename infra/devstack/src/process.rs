//! Processes, and signals to them.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};

/// A signal, as `kill -s` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Terminate,
    Quit,
    Kill,
    Stop,
    Continue,
}

impl Signal {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Terminate => "TERM",
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// Names one process for good; a bare pid is given to another process sooner or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pid: u32,
    /// Clock ticks between the machine's start and the process's.
    started: u64,
}

impl ProcessId {
    /// Returns the process that has `pid` now; `None` if there is none or it is only waiting to be reaped.
    pub fn of(pid: u32) -> Option<Self> {
        Stat::of(pid).filter(|stat| !stat.is_dead).map(|stat| stat.id)
    }

    /// Returns the process of a child that has not been waited for, even if it has ended.
    pub fn of_child(child: &Child) -> io::Result<Self> {
        let stat = Stat::of(child.id()).map(|stat| stat.id);
        stat.ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "/proc does not tell of processes"))
    }

    pub fn pid(self) -> u32 {
        self.pid
    }

    pub(crate) fn started(self) -> u64 {
        self.started
    }

    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends `signal` to this process, if it is still there.
    pub fn signal(self, signal: Signal) {
        if self.is_alive() {
            kill(signal, &[self.pid.to_string()]);
        }
    }

    /// Sends `signal` to the process group this process leads, if it is still there.
    pub fn signal_group(self, signal: Signal) {
        if self.is_alive() {
            kill(signal, &[format!("-{}", self.pid)]);
        }
    }

    /// Sends `signal` to this process and then to all its descendants; returns them all.
    ///
    /// PostgreSQL's server processes are sessions of their own, so a process group would not do.
    pub(crate) fn signal_tree(self, signal: Signal) -> Vec<Self> {
        if !self.is_alive() {
            return Vec::new();
        }
        // The root before the rest: stopped or dead, it makes no further children.
        let mut tree = self.descendants();
        self.signal(signal);
        tree.extend(
            self.descendants()
                .into_iter()
                .filter(|id| !tree.contains(id))
                .collect::<Vec<_>>(),
        );
        let others: Vec<_> = tree
            .iter()
            .filter(|id| id.is_alive())
            .map(|id| id.pid.to_string())
            .collect();
        if !others.is_empty() {
            kill(signal, &others);
        }
        tree.push(self);
        tree
    }

    fn descendants(self) -> Vec<Self> {
        let processes = Stat::all();
        let mut tree = vec![self.pid];
        let mut next = 0;
        let mut found = Vec::new();
        while let Some(&parent) = tree.get(next) {
            for stat in processes.iter().filter(|stat| stat.parent == parent) {
                tree.push(stat.id.pid);
                found.push(stat.id);
            }
            next += 1;
        }
        found
    }
}

/// What `/proc/<pid>/stat` says of a process (proc(5)).
struct Stat {
    id: ProcessId,
    parent: u32,
    /// Whether it has ended and is only waiting to be reaped.
    is_dead: bool,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in brackets and may itself contain blanks and brackets.
        let fields: Vec<&str> = line.rsplit_once(") ")?.1.split(' ').collect();
        let is_dead = matches!(*fields.first()?, "Z" | "X");
        let (parent, started) = (fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?);
        Some(Self {
            id: ProcessId { pid, started },
            parent,
            is_dead,
        })
    }

    fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| Self::of(entry.file_name().to_str()?.parse().ok()?))
            .collect()
    }
}

/// The shell's own `kill`: always there, and sending a signal by oneself would take `unsafe`.
fn kill(signal: Signal, targets: &[String]) {
    let sent = Command::new("/bin/sh")
        .args([
            "-c",
            r#"signal=$1; shift; kill -s "$signal" -- "$@""#,
            "kill",
            signal.name(),
        ])
        .args(targets)
        .stderr(Stdio::null())
        .status();
    // A target may be gone by now; whoever signals looks at the processes afterwards, not at this status.
    drop(sent);
}
