//! Which processors those run on that are measured, and which is left to the clients (taskset(1)).

use std::ffi::OsStr;
use std::fs;
use std::process::{self, Command};

use anyhow::{Context as _, Result};

use crate::child;

/// How they are shared out.
#[derive(Clone, Debug)]
pub(crate) struct Processors {
    /// `None`: there is but one, and all share it.
    of_clients: Option<u32>,
}

impl Processors {
    /// Leaves the last processor to clients: this process, and whatever it starts from now on, has the others.
    pub(crate) fn share_out() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
        let allowed = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let allowed = allowed.context("/proc/self/status does not say which processors there are")?;
        let all = parse(allowed.trim())?;
        let Some((last, others)) = all.split_last().filter(|(_, others)| !others.is_empty()) else {
            return Ok(Self { of_clients: None });
        };
        let others: Vec<String> = others.iter().map(u32::to_string).collect();
        child::read(
            Command::new("taskset")
                .args(["--all-tasks", "--pid", "--cpu-list", &others.join(",")])
                .arg(process::id().to_string()),
        )?;
        Ok(Self {
            of_clients: Some(*last),
        })
    }

    /// Returns the command of a client.
    pub(crate) fn client(&self, program: &OsStr) -> Command {
        match self.of_clients {
            None => Command::new(program),
            Some(processor) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", &processor.to_string()]).arg(program);
                command
            }
        }
    }

    pub(crate) fn told(&self) -> &'static str {
        match self.of_clients {
            None => "Server, database and clients share the one processor.",
            Some(_) => "The clients have a processor of their own; server and database share the others.",
        }
    }
}

/// Reads a list such as `0-2,5` (proc(5)).
fn parse(list: &str) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    for range in list.split(',') {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| {
            text.parse::<u32>()
                .with_context(|| format!("{list} is no list of processors"))
        };
        all.extend(number(from)?..=number(to)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_single_ones_and_ranges() {
        assert_eq!(parse("0-2,5").unwrap(), [0, 1, 2, 5]);
        assert_eq!(parse("7").unwrap(), [7]);
        assert!(parse("a").is_err());
    }
}
