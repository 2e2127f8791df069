//! Load by wrk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::processors::Processors;
use super::workload::Workload;
use crate::child;

const SCRIPT: &str = include_str!("load.lua");

/// What clients wait for an answer, in seconds; the slowest take many seconds where nothing helps the database.
const PATIENCE_SECONDS: u32 = 120;

/// What wrk is to send to one server.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    /// `None`: on all of them.
    pub(crate) processors: Option<&'a Processors>,
    pub(crate) workload: Workload,
    /// Paths or bodies, one a line.
    pub(crate) lines: &'a Path,
    pub(crate) port: u16,
    pub(crate) token: &'a str,
    pub(crate) connections: u32,
    pub(crate) seconds: u32,
    /// What the keys of this run's requests begin with.
    pub(crate) key: String,
}

/// What wrk saw.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    pub(crate) micros: u64,
    connect: u64,
    read: u64,
    write: u64,
    /// Answers with 400 and above. Below, a server here knows no status but 200 and 201.
    status: u64,
    timeout: u64,
    pub(crate) p50: u64,
    pub(crate) p95: u64,
    pub(crate) p99: u64,
}

impl Seen {
    pub(crate) fn errors(&self) -> u64 {
        self.connect + self.read + self.write + self.status + self.timeout
    }
}

/// Writes wrk's script and returns where it is.
pub(crate) fn install(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("load.lua");
    fs::write(&path, SCRIPT).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

pub(crate) fn run(script: &Path, load: &Load<'_>) -> Result<Seen> {
    let mut wrk = match load.processors {
        Some(processors) => processors.client("wrk".as_ref()),
        None => Command::new("wrk"),
    };
    wrk.arg("--threads=2")
        .arg(format!("--connections={}", load.connections))
        .arg(format!("--duration={}s", load.seconds))
        .arg(format!("--timeout={PATIENCE_SECONDS}s"))
        .arg(format!("--script={}", script.display()))
        .arg(format!("http://127.0.0.1:{}", load.port));
    // By the environment, so that no token is in the process list.
    wrk.env(
        "BENCH_METHOD",
        if load.workload.writes() { "POST" } else { "GET" },
    )
    .env("BENCH_PATH", load.workload.path())
    .env("BENCH_FILE", load.lines)
    .env("BENCH_TOKEN", load.token);
    if load.workload == Workload::W5 {
        wrk.env("BENCH_KEY", &load.key);
    }
    let output = child::read(&mut wrk)?;
    let line = output.lines().find(|line| line.starts_with('{'));
    let line = line.with_context(|| format!("wrk did not report: {output}"))?;
    serde_json::from_str(line).with_context(|| format!("cannot understand wrk's report: {line}"))
}
