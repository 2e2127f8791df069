//! `cargo xtask bench-jobs`: what it costs to enqueue a job, and how many are done in a second.
//!
//! What is measured is `tests/src/bin/bench-jobs`: the product's stores and worker, and plain loops beside them.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use fairlead_devstack::erase;
use serde::Deserialize;

use super::machine::{Machine, Occasion};
use super::measure::median;
use super::stage::{Size, Stage};
use super::{data_dir, table};
use crate::packages::{self, Need};
use crate::phases::Phases;
use crate::product::Product;
use crate::workspace::{self, Profile};
use crate::{child, interrupt};

const MARK: &str = "jobs";

#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// Few jobs, one round, and nothing built to be fast: shows that everything works, not how fast
    #[arg(long)]
    quick: bool,
    /// Connections of each subject
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=200))]
    connections: u32,
    /// Jobs of each measurement [default: 20000, quick: 500]
    #[arg(long, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    jobs: Option<u32>,
    /// How often each is measured; the table has the medians [default: 5, quick: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Also put the table into this document, between the marks that it has for it
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Folder for database and logs [default: .fairlead/bench-jobs in the workspace]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// What one measurement has found.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    per_second: f64,
    cpu_seconds: f64,
}

/// One round of a subject.
#[derive(Debug)]
struct Round {
    found: Found,
    database_cpu_seconds: f64,
}

/// What is measured, and all its rounds.
#[derive(Debug)]
struct Subject {
    /// As `bench-jobs` calls it.
    key: &'static str,
    name: &'static str,
    rounds: Vec<Round>,
}

const fn subject(key: &'static str, name: &'static str) -> Subject {
    Subject {
        key,
        name,
        rounds: Vec::new(),
    }
}

pub(crate) fn run(args: &JobArgs) -> Result<ExitCode> {
    let data_dir = data_dir(args.data_dir.as_deref(), "bench-jobs")?;
    if let Some(document) = &args.save {
        table::check_marks(document, MARK)?;
    }
    let mut phases = Phases::default();
    phases.run("looking for programs", || packages::ensure(Need::AllServices))?;
    let (fairlead, program) = phases.run("building", || build(args.profile()))?;
    let occasion = Occasion::now()?;
    erase(&data_dir)?;
    fs::create_dir_all(&data_dir).with_context(|| format!("cannot create {}", data_dir.display()))?;

    let mut product = Product::new(fairlead, &data_dir, 0);
    let stage = phases.run("setting the stage", || {
        Stage::set(&mut product, &data_dir, Size::SMALL)
    })?;
    let mut subjects = [
        subject("insert", "a row"),
        subject("insert-and-enqueue", "**a row, and a job**"),
        subject("worker", "**fairlead's worker**"),
        subject("loop", "plain loop, one at a time"),
        subject("batches", "plain loop, 20 at a time"),
    ];
    phases.run("measuring", || {
        for _ in 0..args.rounds() {
            for subject in &mut subjects {
                interrupt::check()?;
                let round = measure(&program, subject.key, args, &product, &stage)?;
                eprintln!("── {}: {:.0}/s", subject.key, round.found.per_second);
                subject.rounds.push(round);
            }
        }
        anyhow::Ok(())
    })?;
    let text = table_of(args, &occasion, &stage, &subjects);
    stage.stop();
    println!("\n{text}");
    if let Some(document) = &args.save {
        table::put_into(document, MARK, &text)?;
    }
    phases.report();
    Ok(ExitCode::SUCCESS)
}

impl JobArgs {
    fn profile(&self) -> Profile {
        if self.quick { Profile::Dev } else { Profile::Dist }
    }

    fn jobs(&self) -> u32 {
        self.jobs.unwrap_or(if self.quick { 500 } else { 20_000 })
    }

    fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 1 } else { 5 })
    }
}

/// Builds the product, which makes the database, and what is measured.
fn build(profile: Profile) -> Result<(PathBuf, PathBuf)> {
    let product = workspace::build_product(profile)?;
    let program = workspace::build_tool(profile, "bench-jobs")?;
    Ok((product, program))
}

fn measure(
    program: &PathBuf,
    subject: &str,
    args: &JobArgs,
    product: &Product,
    stage: &Stage,
) -> Result<Round> {
    // What the one before has left to be written is no part of the next one.
    stage.column("CHECKPOINT")?;
    stage.settle()?;
    let variable = |name: &str| {
        let mut all = product.variables();
        let found = all.find(|(known, _)| *known == name);
        found
            .map(|(_, value)| value.to_owned())
            .with_context(|| format!("the product has no {name}"))
    };
    let mut command = Command::new(program);
    command
        .args([subject, &args.connections.to_string(), &args.jobs().to_string()])
        .env("APP_URL", variable("FAIRLEAD__DATABASE__URL")?)
        .env("SYSTEM_URL", variable("FAIRLEAD__DATABASE__SYSTEM_URL")?)
        .env("OWNER_URL", variable("FAIRLEAD__DATABASE__OWNER_URL")?);
    let before = stage.cpu()?;
    let text = child::read(&mut command)?;
    // Its backends count from when they have ended.
    stage.settle()?;
    Ok(Round {
        found: serde_json::from_str(&text).with_context(|| format!("{subject} prints no report"))?,
        database_cpu_seconds: (stage.cpu()?.saturating_sub(before)).as_secs_f64(),
    })
}

fn table_of(args: &JobArgs, occasion: &Occasion, stage: &Stage, subjects: &[Subject; 5]) -> String {
    let machine = Machine::look();
    let (connections, jobs, rounds) = (args.connections, args.jobs(), args.rounds());
    let settings: Vec<String> = stage
        .settings
        .iter()
        .map(|(name, value)| format!("`{name} = {value}`"))
        .collect();
    let mut text = format!(
        "Commit `{}`, measured {} on {machine}.\nPostgreSQL {}: {}.\n{jobs} each, by {connections} connections; medians of \
         {rounds} rounds in turns.\nCPU is that of the program and of the database, what it took to fill the table \
         included.\n",
        occasion.commit,
        occasion.taken,
        stage.version,
        settings.join(", "),
    );
    let (enqueue, work) = subjects.split_at(2);
    for (what, group) in [("enqueue, transactions", enqueue), ("work, jobs", work)] {
        let _ = write!(
            text,
            "\n| {what} | per second | of the {} | CPU µs each: program + database |\n|---|--:|--:|--:|\n",
            if what.starts_with("enqueue") {
                "first"
            } else {
                "plain loop"
            },
        );
        let base = if what.starts_with("enqueue") {
            &group[0]
        } else {
            &group[1]
        };
        for subject in group {
            let _ = writeln!(
                text,
                "| {} | {:.0} | {:.2} | {:.0} + {:.0} |",
                subject.name,
                subject.per_second(),
                subject.per_second() / base.per_second(),
                subject.each(jobs, |round| round.found.cpu_seconds),
                subject.each(jobs, |round| round.database_cpu_seconds),
            );
        }
    }
    text
}

impl Subject {
    fn per_second(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.found.per_second))
    }

    /// Microseconds for each of so many.
    fn each(&self, jobs: u32, seconds: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(seconds)) * 1e6 / f64::from(jobs)
    }
}
