//! Where and on what a run took place.

use std::fmt;
use std::fs;
use std::process::Command;
use std::thread;

use anyhow::Result;
use serde::Serialize;

use crate::{child, workspace};

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    /// Of the last minute, taken when the run was over: beside its own, the work of others.
    pub(crate) load_average: String,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
                .unwrap_or_default()
        };
        let memory_kib = field(&read("/proc/meminfo"), "MemTotal");
        let memory_kib = memory_kib.trim_end_matches(" kB").parse().unwrap_or(0_u64);
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: thread::available_parallelism().map_or(0, usize::from),
            memory_gib: memory_kib.div_ceil(1 << 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_average: load_average(),
        }
    }

    /// The same with the load as it is now.
    pub(crate) fn with_load(self) -> Self {
        Self {
            load_average: load_average(),
            ..self
        }
    }
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            memory_gib,
            kernel,
            load_average,
        } = self;
        write!(
            f,
            "{cores} cores of {processor}, {memory_gib} GiB, Linux {kernel}; load average at the end {load_average}"
        )
    }
}

/// What was measured, and when.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Occasion {
    pub(crate) commit: String,
    pub(crate) taken: String,
}

impl Occasion {
    pub(crate) fn now() -> Result<Self> {
        let date = child::read(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?;
        Ok(Self {
            commit: commit()?,
            taken: date.trim().to_owned(),
        })
    }
}

/// Returns the commit that was measured, marked where files differ from it; unknown outside a repository.
fn commit() -> Result<String> {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"])
        .current_dir(workspace::root());
    if !git.output().is_ok_and(|output| output.status.success()) {
        return Ok("unknown".to_owned());
    }
    Ok(child::read(&mut git)?.trim().to_owned())
}
