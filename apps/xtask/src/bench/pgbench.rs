//! Load by pgbench: PostgreSQL with nothing in front of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use fairlead_devstack::{Password, PostgresBinaries};

use crate::child;

/// Connections of every measurement. Two cores are busy with them, and more would lower the limit.
pub(crate) const CONNECTIONS: u32 = 32;

/// How pgbench reaches the database: as the role that row-level security binds.
#[derive(Debug)]
pub(crate) struct Pgbench {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    password: Password,
    tenant: String,
}

/// Whether PostgreSQL plans a statement anew for each tenant and value where it thinks that better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plans {
    Kept,
    AsItThinksBest,
}

impl Plans {
    fn option(self) -> &'static str {
        match self {
            Self::Kept => "-c plan_cache_mode=force_generic_plan",
            Self::AsItThinksBest => "-c plan_cache_mode=auto",
        }
    }
}

/// What pgbench did; times in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) transactions: u64,
    pub(crate) per_second: f64,
    pub(crate) p50: u64,
    pub(crate) p95: u64,
    pub(crate) p99: u64,
}

impl Pgbench {
    pub(crate) fn find(folder: &Path, port: u16, password: Password, tenant: &str) -> Result<Self> {
        let major = PostgresBinaries::find()?.major();
        let beside_server = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin/pgbench"));
        let program = if beside_server.exists() {
            beside_server
        } else {
            PathBuf::from("pgbench")
        };
        Ok(Self {
            program,
            folder: folder.to_owned(),
            port,
            password,
            tenant: tenant.to_owned(),
        })
    }

    /// Runs a script over and over; fails if a transaction does.
    pub(crate) fn run(&self, script: &Path, plans: Plans, seconds: u32) -> Result<Done> {
        let prefix = self.folder.join("pgbench");
        let mut pgbench = Command::new(&self.program);
        pgbench
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--log"])
            .arg(format!("--define=tenant={}", self.tenant))
            .arg(format!("--client={CONNECTIONS}"))
            .arg(format!("--time={seconds}"))
            .arg(format!("--file={}", script.display()))
            .arg(format!("--log-prefix={}", prefix.display()))
            .envs([
                ("PGHOST", "127.0.0.1"),
                ("PGPORT", &self.port.to_string()),
                ("PGUSER", "fairlead_app"),
                ("PGDATABASE", "fairlead"),
                ("PGPASSWORD", self.password.reveal()),
                ("PGOPTIONS", plans.option()),
            ]);
        let report = child::read(&mut pgbench);
        let durations = self.take_durations()?;
        let report = report?;

        let number = |label: &str| {
            let line = report.lines().find_map(|line| line.strip_prefix(label));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            number.with_context(|| format!("pgbench did not report \"{label}\":\n{report}"))
        };
        if number("number of failed transactions:")? > 0.0 {
            bail!("transactions of the limit failed:\n{report}");
        }
        // Without a transaction, pgbench tells of no rate.
        let per_second = if durations.is_empty() {
            0.0
        } else {
            number("tps =")?
        };
        Ok(Done {
            transactions: durations.len() as u64,
            per_second,
            p50: percentile(&durations, 50),
            p95: percentile(&durations, 95),
            p99: percentile(&durations, 99),
        })
    }

    /// Reads and removes the log, which has one line for each transaction: "client number microseconds …".
    fn take_durations(&self) -> Result<Vec<u64>> {
        let mut durations = Vec::new();
        for entry in fs::read_dir(&self.folder)?.flatten() {
            if !entry.file_name().to_string_lossy().starts_with("pgbench.") {
                continue;
            }
            for line in fs::read_to_string(entry.path())?.lines() {
                let micros = line.split(' ').nth(2).and_then(|micros| micros.parse().ok());
                durations.push(micros.with_context(|| format!("cannot understand pgbench's log: {line}"))?);
            }
            fs::remove_file(entry.path())?;
        }
        durations.sort_unstable();
        Ok(durations)
    }
}

fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((sorted.len() * percent / 100).min(last))
        .copied()
        .unwrap_or_default()
}
