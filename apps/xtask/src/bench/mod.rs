//! `cargo xtask bench`: the product beside the limits of what is possible, and beside a plain service.
//!
//! How it is done and how to read it: `docs/performance.md`. In short: private services with durable settings, data made
//! by the product, and rounds in which product, limit and baseline take turns, so that what disturbs the machine
//! disturbs them all.

mod body;
mod field;
mod jobs;
mod load;
mod machine;
mod measure;
mod overhead;
mod overload;
mod pgbench;
mod process;
mod processors;
mod report;
mod server;
mod servers;
mod soak;
mod sockets;
mod stage;
mod startup;
mod statements;
mod table;
mod workload;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fairlead_devstack::erase;

use crate::packages::{self, Need};
use crate::phases::Phases;
use crate::product::Product;
use crate::workspace::{self, Profile};
use crate::{child, up};
use field::{Binaries, Field};
pub(crate) use jobs::{JobArgs, run as run_jobs};
use machine::Occasion;
use measure::Plan;
pub(crate) use overhead::{OverheadArgs, run as run_overhead};
pub(crate) use overload::{OverloadArgs, run as run_overload};
use report::Report;
pub(crate) use sockets::{SocketArgs, run as run_sockets};
use stage::{Size, Stage};
use workload::Workload;

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench                           everything: about half an hour
  cargo xtask bench --quick                   does it all work: about a minute, on little data
  cargo xtask bench --only W1,W2 --rounds 5   some of it, more exactly
  cargo xtask bench --soak 10 --save docs/performance.md

The table is printed, and written to bench.json and bench.md in the data folder.";

/// Names the table in a document.
const MARK: &str = "bench";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// Little data, one short round at 32 connections: shows that everything works, not how fast
    #[arg(long)]
    quick: bool,
    /// Measure only these
    #[arg(long, value_delimiter = ',', value_name = "W1,W2", ignore_case = true)]
    only: Vec<Workload>,
    /// How long each measurement lasts; slow ones take longer [default: 5, quick: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: Option<u32>,
    /// How often each is measured; the table has the medians [default: 3, quick: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Measure the memory of a server that works for so many minutes, too
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..=600))]
    soak: Option<u32>,
    /// Connections of the load [default: 32,128, quick: 32]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(2..=1000))]
    connections: Vec<u32>,
    /// Also put the table into this document, between the marks that it has for it
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Folder for database, logs and results [default: .fairlead/bench in the workspace]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Remove the data of earlier runs first
    #[arg(long)]
    fresh: bool,
}

pub(crate) fn run(args: &BenchArgs) -> Result<ExitCode> {
    let data_dir = data_dir(args.data_dir.as_deref(), "bench")?;
    if let Some(document) = &args.save {
        table::check_marks(document, MARK)?;
    }
    let mut phases = Phases::default();
    phases.run("looking for programs", || packages::ensure(Need::Bench))?;
    let binaries = phases.run("building", build)?;
    // Now, since somebody may go on working while it is measured.
    let occasion = Occasion::now()?;
    if args.fresh {
        erase(&data_dir)?;
    }
    let folder = data_dir.join("files");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;

    let mut product = Product::new(binaries.product.clone(), &data_dir, 0);
    let size = if args.quick { Size::SMALL } else { Size::FULL };
    let stage = phases.run("setting the stage", || Stage::set(&mut product, &data_dir, size))?;
    let field = phases.run("starting the servers", || {
        Field::start(&stage, &product, &binaries, &data_dir, &folder)
    })?;
    let startups = phases.run("measuring the start", || startup::measure(&field, &args.plan()))?;
    let mut results = Vec::new();
    let whole = phases.run("measuring", || {
        measure::all(&stage, &field, &args.plan(), &mut results)
    });
    if results.is_empty() {
        whole?;
        bail!("nothing was measured");
    }
    let soak = match (args.soak, &whole) {
        (Some(minutes), Ok(())) => Some(phases.run("working for long", || soak::run(&field, minutes))?),
        _ => None,
    };
    let report = Report::new(occasion, &args.plan(), &stage, &field, startups, results, soak);
    field.stop()?;
    stage.stop();

    report.save(&data_dir)?;
    let text = table::of(&report);
    fs::write(data_dir.join("bench.md"), &text).context("cannot write bench.md")?;
    println!("\n{text}");
    // Half an hour's work is shown even if it is cut short, but it is no table to keep.
    whole?;
    if let Some(document) = &args.save {
        table::put_into(document, MARK, &text)?;
    }
    phases.report();
    eprintln!("bench.json and bench.md are in {}", data_dir.display());
    Ok(if report.errors() == 0 {
        ExitCode::SUCCESS
    } else {
        eprintln!(
            "error: {} requests failed; their servers' logs are in {}",
            report.errors(),
            folder.display()
        );
        ExitCode::FAILURE
    })
}

/// The folder that was given, or one of this name beside what `up` keeps.
fn data_dir(given: Option<&Path>, name: &str) -> Result<PathBuf> {
    match given {
        Some(_) => up::data_dir(given),
        None => Ok(up::data_dir(None)?.join(name)),
    }
}

impl BenchArgs {
    fn plan(&self) -> Plan {
        let chosen = |workload: &Workload| self.only.is_empty() || self.only.contains(workload);
        Plan {
            is_quick: self.quick,
            workloads: Workload::ALL.into_iter().filter(chosen).collect(),
            connections: match (&self.connections[..], self.quick) {
                ([], true) => vec![32],
                ([], false) => vec![32, 128],
                (given, _) => given.to_vec(),
            },
            seconds: self.seconds.unwrap_or(if self.quick { 1 } else { 5 }),
            rounds: self.rounds.unwrap_or(if self.quick { 1 } else { 3 }),
        }
    }
}

/// Builds the product, and, in a workspace of their own, what it is measured against.
fn build() -> Result<Binaries> {
    let product = workspace::build_product(Profile::Dist)?;
    let target = product
        .parent()
        .and_then(Path::parent)
        .context("the product is in no target folder")?;
    let target = target.join("bench");
    let mut others = workspace::cargo();
    others
        .args(["build", "--release", "--locked", "--target-dir"])
        .arg(&target)
        .current_dir(workspace::root().join("tests/bench"));
    child::run(&mut others)?;
    let other = |name: &str| target.join("release").join(name);
    Ok(Binaries {
        product,
        baseline: other("bench-baseline"),
        limit: other("bench-limit"),
        broadcast: other("bench-broadcast"),
        crowd: other("bench-crowd"),
        followers: other("bench-followers"),
    })
}
