//! `cargo xtask bench-overload`: what is still done when three times as much is asked as can be, and what neighbours feel.
//!
//! The product with the gate in front of its database and without, on one private PostgreSQL, by turns. The clients are
//! `tests/bench/crowd`, which ask at a fixed rate however fast they are answered; for W7 it is `wrk`, as in `bench`.

mod cached;
mod crowd;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use self::crowd::{CLOSED, Field, Found, OPEN, USEFUL_MS};
use super::field::POOL;
use super::machine::{Machine, Occasion};
use super::measure::{float, median};
use super::processors::Processors;
use super::server::Server;
use super::servers::{Launch, Parts};
use super::stage::{self, Owner, Size, Stage};
use super::workload::Workload;
use super::{build, data_dir, table};
use crate::packages::{self, Need};
use crate::phases::Phases;
use crate::product::Product;

const MARK: &str = "overload";
const GATES: [&str; 2] = ["off", "**on**"];
/// A asks 50 times what B does, and both together three times what can be done.
const TIMES: f64 = 50.0;
const SHARES: f64 = (TIMES + 1.0) / 3.0;
/// Where rates are limited, to so many times what B asks.
const LEEWAY: f64 = 2.0;

#[derive(Debug, Args)]
pub(crate) struct OverloadArgs {
    /// Little data and short measurements
    #[arg(long)]
    quick: bool,
    /// How long each measurement lasts, after two seconds that are not counted [default: 5, quick: 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: Option<u32>,
    /// How often each is measured; the table has the medians [default: 3, quick: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Also put the table into this document, between the marks that it has for it
    #[arg(long, value_name = "FILE", conflicts_with = "quick")]
    save: Option<PathBuf>,
    /// Folder for database, logs and results [default: .fairlead/bench in the workspace, whose data `bench` uses, too]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(crate) fn run(args: &OverloadArgs) -> Result<ExitCode> {
    let data_dir = data_dir(args.data_dir.as_deref(), "bench")?;
    if let Some(document) = &args.save {
        table::check_marks(document, MARK)?;
    }
    let mut phases = Phases::default();
    phases.run("looking for programs", || packages::ensure(Need::Bench))?;
    let binaries = phases.run("building", build)?;
    let occasion = Occasion::now()?;
    let machine = Machine::look();
    let processors = Processors::share_out()?;
    let folder = data_dir.join("files");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;

    let mut product = Product::new(binaries.product.clone(), &data_dir, 0);
    let size = if args.quick { Size::SMALL } else { Size::FULL };
    let stage = phases.run("setting the stage", || Stage::set(&mut product, &data_dir, size))?;
    let launch = Launch::new(&product, binaries.product.clone(), &data_dir, &folder, &stage)?;
    let (servers, tokens) = phases.run("starting the servers", || start(&launch, &stage))?;
    let field = Field {
        crowd: &binaries.crowd,
        processors: &processors,
        folder: &folder,
        seconds: args.seconds.unwrap_or(if args.quick { 2 } else { 5 }),
        rounds: args.rounds.unwrap_or(if args.quick { 1 } else { 3 }),
        tokens,
    };
    let mut text = introduction(&field, &stage);
    phases.run("asking too much", || {
        for workload in [Workload::W2, Workload::W3] {
            text.push_str(&overload(&field, &launch, &servers, workload)?);
        }
        anyhow::Ok(())
    })?;
    for server in servers {
        server.stop()?;
    }
    text.push_str(&phases.run("asking the cache", || cached::table(&field, &launch))?);
    stage.stop();

    let text = format!(
        "Commit `{}`, measured {} on {}.\n{text}",
        occasion.commit,
        occasion.taken,
        machine.with_load(),
    );
    fs::write(data_dir.join("overload.md"), &text).context("cannot write overload.md")?;
    println!("\n{text}");
    if let Some(document) = &args.save {
        table::put_into(document, MARK, &text)?;
    }
    phases.report();
    Ok(ExitCode::SUCCESS)
}

/// Starts the servers, without the gate and with it, and logs in to both tenants.
fn start(launch: &Launch<'_>, stage: &Stage) -> Result<([Server; 2], [String; 2])> {
    let servers = [launch.start(Parts::NO_GATE, "")?, launch.start(Parts::GATE, "")?];
    let neighbour = format!("{}-1", stage::TENANT);
    // Finds all leads there, and sets a new password.
    let answer = stage::demo(launch.product, &neighbour, 1)?;
    let owner = answer
        .get("owner")
        .cloned()
        .context("the product names no owner")?;
    let owner: Owner = serde_json::from_value(owner)?;
    let tokens = [
        log_in(&servers[1], stage::TENANT, &stage.owner)?,
        log_in(&servers[1], &neighbour, &owner)?,
    ];
    Ok((servers, tokens))
}

pub(super) fn log_in(server: &Server, tenant: &str, owner: &Owner) -> Result<String> {
    let body = json!({ "email": owner.email, "password": owner.password, "tenant": tenant });
    let answer = server.post("/api/v1/auth/login", &body.to_string())?;
    ensure!(
        answer.status == 200,
        "cannot log in to {tenant}: {} {}",
        answer.status,
        answer.body
    );
    let session: Value = serde_json::from_str(&answer.body)?;
    let token = session["accessToken"].as_str().context("no access token came")?;
    Ok(token.to_owned())
}

/// What is done at once, at three times of it, and for a neighbour: a table of one workload.
fn overload(
    field: &Field<'_>,
    launch: &Launch<'_>,
    servers: &[Server; 2],
    workload: Workload,
) -> Result<String> {
    let mut peaks = Vec::new();
    for _ in 0..field.rounds {
        peaks.push(field.peak(servers, workload)?);
    }
    let peak = median(peaks.into_iter());
    let mut text = format!(
        "\n### {} {}\n\n{CLOSED} connections that ask as fast as they are answered are answered {peak:.0} times a second, with \
         the gate or without, whichever is more: the peak, P. It is taken anew before each row's rounds.\n\n\
         | asked | gate | answered within {USEFUL_MS} ms, of P | P95 · P99 of the answered, ms | refused | P99 · most of the refused, ms | neither |\n\
         |---|---|--:|--:|--:|--:|--:|\n",
        workload.name(),
        workload.title(),
    );
    for load in [1.0, 3.0] {
        for (gate, server) in GATES.into_iter().zip(servers) {
            let mut rounds = Vec::new();
            for _ in 0..field.rounds {
                let peak = field.peak(servers, workload)?;
                let found = field.ask(server, workload, &[field.party(0, load * peak, OPEN)])?;
                rounds.push((peak, found[0]));
            }
            text.push_str(&goodput_row(field, load, gate, &rounds));
        }
    }
    let share = peak / SHARES;
    let limited = launch.start(Parts::limited(LEEWAY * share), &field.tokens[0])?;
    let with_rates = [
        ("off", &servers[0]),
        ("**on**", &servers[1]),
        ("**on**, and rates", &limited),
    ];
    text.push_str(&neighbours(field, &with_rates, workload, share)?);
    limited.stop()?;
    Ok(text)
}

fn goodput_row(field: &Field<'_>, load: f64, gate: &str, rounds: &[(f64, Found)]) -> String {
    let of = |value: &dyn Fn(&Found) -> f64| median(rounds.iter().map(|(_, found)| value(found)));
    let part = |count: u64, found: &Found| 100.0 * float(count) / float(found.due.max(1));
    let useful = rounds
        .iter()
        .map(|(peak, found)| field.per_second(found.useful) / peak);
    format!(
        "| {load:.0} P | {gate} | {:.2} | {:.0} · {:.0} | {:.0} % | {:.1} · {:.1} | {:.0} % |\n",
        median(useful),
        of(&|found| found.served_ms.p95),
        of(&|found| found.served_ms.p99),
        of(&|found| part(found.refused, found)),
        of(&|found| found.refused_ms.p99),
        of(&|found| found.refused_ms.max),
        of(&|found| part(found.failed + found.unsent, found)),
    )
}

/// What a tenant feels that asks its share, alone and beside one that asks that, or fifty times that.
fn neighbours(
    field: &Field<'_>,
    servers: &[(&str, &Server); 3],
    workload: Workload,
    share: f64,
) -> Result<String> {
    let mut text = format!(
        "\nB asks {share:.0} times a second, A as the table says, 50 times as much at the most; then both ask 3 P. \
         With rates, a tenant may ask {LEEWAY} times what B does.\n\n\
         | A asks | gate | B: P95 ms | against alone | B answered | A answered a second |\n|---|---|--:|--:|--:|--:|\n"
    );
    let mut alone = [0.0; 3];
    for times in [None, Some(1.0), Some(TIMES)] {
        for (index, (gate, server)) in servers.iter().enumerate() {
            let (mut p95, mut answered, mut others) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..field.rounds {
                let mut parties = vec![field.party(1, share, CLOSED)];
                if let Some(times) = times {
                    parties.push(field.party(0, times * share, OPEN));
                }
                let found = field.ask(server, workload, &parties)?;
                p95.push(found[0].served_ms.p95);
                answered.push(100.0 * float(found[0].useful) / float(found[0].due.max(1)));
                others.push(found.get(1).map_or(0.0, |found| field.per_second(found.useful)));
            }
            let [p95, answered, others] = [p95, answered, others].map(|values| median(values.into_iter()));
            if times.is_none() {
                alone[index] = p95;
            }
            let _ = writeln!(
                text,
                "| {} | {} | {p95:.1} | {:+.0} % | {answered:.0} % | {others:.0} |",
                times.map_or("nothing".to_owned(), |times| format!("{times:.0} times that")),
                gate,
                100.0 * (p95 / alone[index].max(0.001) - 1.0),
            );
        }
    }
    Ok(text)
}

fn introduction(field: &Field<'_>, stage: &Stage) -> String {
    format!(
        "PostgreSQL {}; {} tenants, of which A has {} leads; {POOL} connections to the database.\n\
         {} Medians of {} rounds of {} s, each after 2 s that are not counted.\n",
        stage.version,
        stage.data.tenants,
        stage.data.leads,
        field.processors.told(),
        field.rounds,
        field.seconds,
    )
}
