//! `cargo xtask bench-overhead`: what it costs to watch.
//!
//! The product with `performance.recording` and without, on one private PostgreSQL, by turns: what disturbs the machine
//! disturbs both. What the subsystem asks of the database is told apart by its own tables, in `pg_stat_statements`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::field::POOL;
use super::load::{self, Load};
use super::machine::{Machine, Occasion};
use super::measure::{float, median};
use super::overload::log_in;
use super::server::Server;
use super::servers::{Launch, Parts};
use super::stage::{self, Size, Stage};
use super::workload::Workload;
use super::{data_dir, table};
use crate::interrupt;
use crate::packages::{self, Need};
use crate::phases::Phases;
use crate::product::Product;
use crate::workspace::{self, Profile};

const MARK: &str = "overhead";
const WORKLOADS: [Workload; 3] = [Workload::W1, Workload::W2, Workload::W7];
const CONNECTIONS: u32 = 32;
/// Leads that W1 asks for in turns.
const LEADS: usize = 1_000;
/// What watching may cost: parts of throughput and of the database's time, and MiB.
const MOST_THROUGHPUT: f64 = 0.02;
const MOST_DATABASE: f64 = 0.01;
const MOST_MIB: f64 = 64.0;

/// Statements that nobody but the subsystem sends: what is written down of measurements, tenants, page views and alerts, and
/// looks at locks.
const OWN: &str = "query ~ 'perf\\.|tenant_usage|tenant_calls|web_vitals|pg_blocking_pids'";

#[derive(Debug, Args)]
pub(crate) struct OverheadArgs {
    /// Little data, short rounds, and a product that is not built to be fast: shows that everything works, not what it costs
    #[arg(long)]
    quick: bool,
    /// How long each measurement lasts [default: 10, quick: 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: Option<u32>,
    /// How often each is measured; the table has the medians [default: 7, quick: 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Also put the table into this document, between the marks that it has for it
    #[arg(long, value_name = "FILE", conflicts_with = "quick")]
    save: Option<PathBuf>,
    /// Folder for database, logs and results [default: .fairlead/bench in the workspace, whose data `bench` uses, too]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// The two that take turns, and the file with what they are asked.
struct Pair {
    on: Server,
    off: Server,
    /// Where their answers are kept in memory.
    on_cached: Server,
    off_cached: Server,
    script: PathBuf,
    folder: PathBuf,
}

/// What one of them has done in a round.
#[derive(Clone, Copy, Debug)]
struct Turn {
    per_second: f64,
    p95_micros: f64,
    memory_mib: f64,
    /// Milliseconds that the database was busy with statements, whoever sent them.
    database_ms: f64,
}

/// Rounds of a workload: with, and without.
type Rounds = Vec<[Turn; 2]>;

pub(crate) fn run(args: &OverheadArgs) -> Result<ExitCode> {
    let data_dir = data_dir(args.data_dir.as_deref(), "bench")?;
    if let Some(document) = &args.save {
        table::check_marks(document, MARK)?;
    }
    let (profile, size, seconds, rounds) = if args.quick {
        (Profile::Dev, Size::SMALL, 2, 2)
    } else {
        (Profile::Dist, Size::FULL, 10, 7)
    };
    let (seconds, rounds) = (args.seconds.unwrap_or(seconds), args.rounds.unwrap_or(rounds));
    let mut phases = Phases::default();
    phases.run("looking for programs", || packages::ensure(Need::Bench))?;
    let binary = phases.run("building", || workspace::build_product(profile))?;
    let (occasion, machine) = (Occasion::now()?, Machine::look());
    let folder = data_dir.join("files");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut product = Product::new(binary.clone(), &data_dir, 0);
    let stage = phases.run("setting the stage", || Stage::set(&mut product, &data_dir, size))?;
    let launch = Launch::new(&product, binary, &data_dir, &folder, &stage)?;
    let pair = phases.run("starting the servers", || Pair::start(&launch, &folder, &stage))?;

    stage
        .postgres
        .run_sql("fairlead", "SELECT pg_stat_statements_reset()")?;
    let mut measured = Vec::new();
    phases.run("measuring", || {
        for workload in WORKLOADS {
            measured.push((workload, pair.measure(&stage, workload, seconds, rounds)?));
        }
        anyhow::Ok(())
    })?;
    // All that it has sent meanwhile, while others were measured, too.
    let own_ms = database_ms(&stage, OWN)?;
    pair.stop()?;
    stage.stop();

    let whole_ms: f64 = measured
        .iter()
        .flat_map(|(_, rounds)| rounds)
        .map(|[on, _]| on.database_ms)
        .sum();
    let text = format!(
        "Commit `{}`, measured {} on {}.\n{rounds} rounds of {seconds} s each, {CONNECTIONS} connections, {POOL} connections to the \
         database; medians.\n\n{}",
        occasion.commit,
        occasion.taken,
        machine.with_load(),
        report(&measured, own_ms, whole_ms),
    );
    fs::write(data_dir.join("overhead.md"), &text).context("cannot write overhead.md")?;
    println!("\n{text}");
    if let Some(document) = &args.save {
        table::put_into(document, MARK, &text)?;
    }
    phases.report();
    Ok(ExitCode::SUCCESS)
}

impl Pair {
    fn start(launch: &Launch<'_>, folder: &Path, stage: &Stage) -> Result<Self> {
        let mut on = launch.start(Parts::RECORDING, "")?;
        let token = log_in(&on, stage::TENANT, &stage.owner)?;
        on.set_token(token.clone());
        let of_tenant = format!("(SELECT id FROM tenants WHERE slug = '{}')", stage::TENANT);
        let leads =
            format!("SELECT id FROM leads WHERE tenant_id = {of_tenant} ORDER BY random() LIMIT {LEADS}");
        for workload in WORKLOADS {
            let lines = match workload {
                Workload::W1 => {
                    let ids = stage.column(&leads)?.into_iter();
                    ids.map(|id| format!("{}/{id}", workload.path())).collect()
                }
                _ => vec![workload.path()],
            };
            fs::write(lines_of(folder, workload), lines.join("\n") + "\n")?;
        }
        Ok(Self {
            off: launch.start(Parts::NOT_RECORDING, &token)?,
            on_cached: launch.start(Parts::RECORDING_CACHED, &token)?,
            off_cached: launch.start(Parts::NOT_RECORDING_CACHED, &token)?,
            on,
            script: load::install(folder)?,
            folder: folder.to_owned(),
        })
    }

    fn measure(&self, stage: &Stage, workload: Workload, seconds: u32, rounds: u32) -> Result<Rounds> {
        let [on, off] = if workload.is_cached() {
            [&self.on_cached, &self.off_cached]
        } else {
            [&self.on, &self.off]
        };
        for server in [on, off] {
            // Plans, caches and connections: nobody pays for being the first.
            self.turn(stage, server, workload, 1)?;
        }
        let mut all = Vec::new();
        for round in 0..rounds {
            interrupt::check()?;
            // Who goes first has what the other has left behind, so that is by turns, too.
            let turns = if round % 2 == 0 {
                let first = self.turn(stage, on, workload, seconds)?;
                [first, self.turn(stage, off, workload, seconds)?]
            } else {
                let first = self.turn(stage, off, workload, seconds)?;
                [self.turn(stage, on, workload, seconds)?, first]
            };
            eprintln!(
                "{} round {}: with {:.0}/s, without {:.0}/s",
                workload.name(),
                round + 1,
                turns[0].per_second,
                turns[1].per_second
            );
            all.push(turns);
        }
        Ok(all)
    }

    fn turn(&self, stage: &Stage, server: &Server, workload: Workload, seconds: u32) -> Result<Turn> {
        let before = database_ms(stage, "true")?;
        let seen = load::run(
            &self.script,
            &Load {
                processors: None,
                workload,
                lines: &lines_of(&self.folder, workload),
                port: server.port,
                token: server.token(),
                connections: CONNECTIONS,
                seconds,
                key: String::new(),
            },
        )?;
        ensure!(
            seen.errors() == 0,
            "{} of {} requests failed; {}",
            seen.errors(),
            seen.requests,
            server.last_lines()
        );
        stage.settle()?;
        server.forget_log()?;
        Ok(Turn {
            per_second: float(seen.requests) / (float(seen.micros) / 1e6),
            p95_micros: float(seen.p95),
            memory_mib: server.memory()?.now_mib(),
            database_ms: database_ms(stage, "true")? - before,
        })
    }

    fn stop(self) -> Result<()> {
        for server in [self.on, self.off, self.on_cached, self.off_cached] {
            server.stop()?;
        }
        Ok(())
    }
}

/// How long the database has worked on the statements of our roles that a condition is true of.
fn database_ms(stage: &Stage, condition: &str) -> Result<f64> {
    let sql = format!(
        "SELECT COALESCE(SUM(total_exec_time), 0) FROM pg_stat_statements AS s JOIN pg_roles AS r ON r.oid = s.userid
         WHERE r.rolname LIKE 'fairlead%' AND {condition}"
    );
    let text = stage.postgres.run_sql("fairlead", &sql)?;
    text.trim().parse().with_context(|| format!("{text} is no time"))
}

fn report(measured: &[(Workload, Rounds)], own_ms: f64, whole_ms: f64) -> String {
    let mut text = "\
| work | with, requests/s | without | with, of without (each round) | P95 with · without, ms | RSS with · without, MiB |
|---|--:|--:|--:|--:|--:|
"
    .to_owned();
    let (mut least, mut most_mib) = (f64::INFINITY, 0.0_f64);
    for (workload, rounds) in measured {
        let of =
            |place: usize, value: fn(&Turn) -> f64| median(rounds.iter().map(|turns| value(&turns[place])));
        let ratios = || rounds.iter().map(|[on, off]| on.per_second / off.per_second);
        let ratio = median(ratios());
        let (lowest, highest) = ratios().fold((f64::INFINITY, 0.0_f64), |(low, high), ratio| {
            (low.min(ratio), high.max(ratio))
        });
        let (with, without) = (of(0, |turn| turn.memory_mib), of(1, |turn| turn.memory_mib));
        (least, most_mib) = (least.min(ratio), most_mib.max(with - without));
        let _ = writeln!(
            text,
            "| **{}** {} | {:.0} | {:.0} | **{ratio:.3}** ({lowest:.3} to {highest:.3}) | {:.1} · {:.1} | {with:.0} · {without:.0} |",
            workload.name(),
            workload.title(),
            of(0, |turn| turn.per_second),
            of(1, |turn| turn.per_second),
            of(0, |turn| turn.p95_micros) / 1e3,
            of(1, |turn| turn.p95_micros) / 1e3,
        );
    }
    let part = own_ms / whole_ms.max(f64::MIN_POSITIVE);
    let verdict = |is_met: bool| if is_met { "met" } else { "not met" };
    let _ = write!(
        text,
        "\nThe least of the ratios is {least:.3}, which is to be {:.2} at least: {}.\n\
         {most_mib:.1} MiB more at the most, which are to be {MOST_MIB:.0}: {}.\n\
         Its own statements took {own_ms:.1} ms in all, {:.2} % of the {whole_ms:.0} ms that the database worked for the server \
         that watches, which is to be {:.0} % at the most: {}.\n",
        1.0 - MOST_THROUGHPUT,
        verdict(least >= 1.0 - MOST_THROUGHPUT),
        verdict(most_mib <= MOST_MIB),
        part * 100.0,
        MOST_DATABASE * 100.0,
        verdict(part <= MOST_DATABASE),
    );
    text
}

fn lines_of(folder: &Path, workload: Workload) -> PathBuf {
    folder.join(format!("overhead-{}.txt", workload.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_is_met_and_what_is_not() {
        let turn = |per_second, memory_mib| Turn {
            per_second,
            p95_micros: 1_500.0,
            memory_mib,
            database_ms: 1_000.0,
        };
        let rounds = |with| vec![[turn(with, 50.0), turn(1_000.0, 46.0)]; 3];
        let measured = [(Workload::W1, rounds(990.0)), (Workload::W7, rounds(970.0))];

        let text = report(&measured, 12.0, 6_000.0);

        assert!(
            text.contains("**0.990** (0.990 to 0.990) | 1.5 · 1.5 | 50 · 46 |"),
            "{text}"
        );
        assert!(
            text.contains("is 0.970, which is to be 0.98 at least: not met."),
            "{text}"
        );
        assert!(
            text.contains("4.0 MiB more at the most, which are to be 64: met."),
            "{text}"
        );
        assert!(text.contains("0.20 % of the 6000 ms"), "{text}");
    }
}
