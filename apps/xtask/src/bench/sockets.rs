//! `cargo xtask bench-sockets`: what WebSockets cost that wait, and how soon events reach them.
//!
//! The product on its embedded database beside `tests/bench/broadcast`, which is what a handbook shows and keeps nothing.
//! The clients are `tests/bench/followers`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fairlead_devstack::erase;
use serde::Deserialize;
use serde_json::{Value, json};

use super::machine::{Machine, Occasion};
use super::measure::median;
use super::server::{Server, free_port};
use super::{build, data_dir, table};
use crate::packages::{self, Need};
use crate::phases::Phases;
use crate::product::Product;
use crate::{child, file_limit};

const READY: &str = "/health/ready";
const MARK: &str = "sockets";
/// What the table may have more descriptors for than connections: files, the database, those who write.
const OTHER_FILES: u64 = 500;

#[derive(Debug, Args)]
pub(crate) struct SocketArgs {
    /// WebSockets that only wait
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=25_000))]
    connections: u32,
    /// How many of them are told each message
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(100..=25_000))]
    followers: u32,
    /// Messages to all followers, one after the other
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    messages: u32,
    /// How often each server is measured; the table has the medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Also put the table into this document, between the marks that it has for it
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Folder for database and logs [default: .fairlead/bench-sockets in the workspace]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// What the clients have found in one round.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Round {
    bytes_per_connection: f64,
    idle_cpu_percent: f64,
    one_to_all: Told,
    few_at_rate: Told,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    cpu_percent: f64,
}

/// All rounds of one server.
#[derive(Debug)]
struct Subject {
    name: &'static str,
    rounds: Vec<Round>,
}

pub(crate) fn run(args: &SocketArgs) -> Result<ExitCode> {
    ensure!(
        args.followers <= args.connections,
        "--followers must not be more than --connections"
    );
    let data_dir = data_dir(args.data_dir.as_deref(), "bench-sockets")?;
    if let Some(document) = &args.save {
        table::check_marks(document, MARK)?;
    }
    file_limit::raise(u64::from(args.connections) + OTHER_FILES).context("or lower --connections")?;
    let mut phases = Phases::default();
    phases.run("looking for programs", || packages::ensure(Need::Database))?;
    let binaries = phases.run("building", build)?;
    let occasion = Occasion::now()?;
    erase(&data_dir)?;
    fs::create_dir_all(&data_dir).with_context(|| format!("cannot create {}", data_dir.display()))?;

    let (ours, peer) = phases.run("starting the servers", || {
        let ours = start_ours(&binaries.product, &data_dir, args)?;
        let port = free_port()?;
        let mut command = Command::new(&binaries.broadcast);
        command.env("PORT", port.to_string());
        let peer = Server::start("broadcast", &mut command, port, "none", READY, &data_dir)?;
        anyhow::Ok((ours, peer))
    })?;
    let mut subjects = [
        Subject {
            name: "**fairlead**",
            rounds: Vec::new(),
        },
        Subject {
            name: "actix-ws, in memory",
            rounds: Vec::new(),
        },
    ];
    phases.run("measuring", || {
        for _ in 0..args.rounds {
            for (subject, server) in subjects.iter_mut().zip([&ours, &peer]) {
                subject.rounds.push(measure(&binaries.followers, server, args)?);
            }
        }
        anyhow::Ok(())
    })?;
    ours.stop()?;
    peer.stop()?;

    let text = table_of(args, &occasion, &subjects);
    println!("\n{text}");
    if let Some(document) = &args.save {
        table::put_into(document, MARK, &text)?;
    }
    phases.report();
    Ok(ExitCode::SUCCESS)
}

fn start_ours(binary: &Path, data_dir: &Path, args: &SocketArgs) -> Result<Server> {
    let port = free_port()?;
    let mut product = Product::new(binary.to_owned(), data_dir, port);
    let most = (args.connections + 100).to_string();
    product.set([
        ("FAIRLEAD__EVENTS__STREAM__MAX", most.clone()),
        ("FAIRLEAD__EVENTS__STREAM__MAX_PER_TENANT", most),
    ]);
    let mut command = product.command(&["serve"]);
    let mut ours = Server::start("fairlead", &mut command, port, "", READY, data_dir)?;
    let sign_up = json!({
        "tenantName": "Bench", "name": "Ann Lee", "email": "ann@example.com",
        "password": "correct horse battery staple",
    });
    let answer = ours.post("/api/v1/auth/signup", &sign_up.to_string())?;
    ensure!(
        answer.status == 201,
        "cannot sign up: {} {}",
        answer.status,
        answer.body
    );
    let session: Value = serde_json::from_str(&answer.body)?;
    let token = session["accessToken"].as_str();
    ours.set_token(token.context("no access token came")?.to_owned());
    Ok(ours)
}

fn measure(followers: &Path, server: &Server, args: &SocketArgs) -> Result<Round> {
    eprintln!("── {}", server.name());
    let mut command = Command::new(followers);
    command.envs([
        ("PORT", server.port.to_string()),
        ("PID", server.pid().to_string()),
        ("TOKEN", server.token().to_owned()),
        ("CONNECTIONS", args.connections.to_string()),
        ("FOLLOWERS", args.followers.to_string()),
        ("MESSAGES", args.messages.to_string()),
        ("FEW", "100".to_owned()),
        ("RATE", "1000".to_owned()),
        ("SECONDS", "20".to_owned()),
    ]);
    let text = child::read(&mut command)?;
    serde_json::from_str(&text).context("the clients print no report")
}

fn table_of(args: &SocketArgs, occasion: &Occasion, subjects: &[Subject]) -> String {
    let machine = Machine::look();
    let SocketArgs {
        connections,
        followers,
        messages,
        rounds,
        ..
    } = args;
    let mut text = format!(
        "Commit `{}`, measured {} on {}.\n{connections} connections that wait, {messages} messages to each of \
         {followers}, then 1,000 messages a second to 100 for 20 s; medians of {rounds} rounds in turns.\n\n\
         | who | KiB each, waiting | CPU of all, waiting | one to {followers}: P50 · P99 · most ms | CPU \
         | 1,000/s: P50 · P99 · most ms | CPU |\n|---|--:|--:|--:|--:|--:|--:|\n",
        occasion.commit, occasion.taken, machine,
    );
    for Subject { name, rounds } in subjects {
        let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value));
        let _ = writeln!(
            text,
            "| {name} | {:.1} | {:.1} % | {:.1} · {:.1} · {:.1} | {:.0} % | {:.1} · {:.1} · {:.1} | {:.0} % |",
            of(|round| round.bytes_per_connection) / 1024.0,
            of(|round| round.idle_cpu_percent),
            of(|round| round.one_to_all.p50_ms),
            of(|round| round.one_to_all.p99_ms),
            of(|round| round.one_to_all.max_ms),
            of(|round| round.one_to_all.cpu_percent),
            of(|round| round.few_at_rate.p50_ms),
            of(|round| round.few_at_rate.p99_ms),
            of(|round| round.few_at_rate.max_ms),
            of(|round| round.few_at_rate.cpu_percent),
        );
    }
    text
}
