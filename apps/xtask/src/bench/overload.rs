//! `cargo xtask bench-overload`: what is still done when three times as much is asked as can be, and what neighbours feel.
//!
//! The product with the gate in front of its database and without, on one private PostgreSQL, by turns. The clients are
//! `tests/bench/crowd`, which ask at a fixed rate however fast they are answered; for W7 it is `wrk`, as in `bench`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::field::{POOL, is_rate, known_keys};
use super::load::{self, Load};
use super::machine::{Machine, Occasion};
use super::measure::median;
use super::processors::Processors;
use super::server::{Server, free_port};
use super::stage::{self, Owner, Size, Stage};
use super::workload::Workload;
use super::{build, table};
use crate::packages::{self, Need};
use crate::phases::Phases;
use crate::product::Product;
use crate::{child, up, workspace};

const MARK: &str = "overload";
const READY: &str = "/health/ready";
const FIRST: &str = "/api/v1/leads?status=NEW&limit=1";
/// Connections by which as much is done as can be.
const CLOSED: u32 = 32;
/// Connections of those who ask at a rate: enough that nobody waits for one while the server answers in time.
const OPEN: u32 = 256;
/// An answer that takes longer is of no use.
const USEFUL_MS: u32 = 500;
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
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Folder for database, logs and results [default: .fairlead/bench in the workspace, whose data `bench` uses, too]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// What the clients of one tenant have found.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    due: u64,
    served: u64,
    useful: u64,
    refused: u64,
    failed: u64,
    unsent: u64,
    served_ms: Percentiles,
    refused_ms: Percentiles,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Percentiles {
    p95: f64,
    p99: f64,
    max: f64,
}

/// Those who ask.
struct Party<'a> {
    token: &'a str,
    /// A second; 0: as many as are answered.
    rate: f64,
    connections: u32,
}

/// One server with the gate, one without.
struct Pair {
    with: Server,
    without: Server,
}

impl Pair {
    fn start(launch: &Launch<'_>, cache: Cache, token: &str) -> Result<Self> {
        Ok(Self {
            with: launch.start(Gate::On, cache, token)?,
            without: launch.start(Gate::Off, cache, token)?,
        })
    }

    fn each(&self) -> [(Gate, &Server); 2] {
        [(Gate::Off, &self.without), (Gate::On, &self.with)]
    }

    fn stop(self) -> Result<()> {
        self.with.stop()?;
        self.without.stop()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cache {
    On,
    Off,
}

/// How servers are started.
struct Launch<'a> {
    product: &'a Product,
    binary: PathBuf,
    variables: Vec<(String, String)>,
    data_dir: &'a Path,
    folder: &'a Path,
}

impl<'a> Launch<'a> {
    /// As in production; but rate limits are never used up, and the pool is that of the other benchmarks.
    fn new(
        product: &'a Product,
        binary: PathBuf,
        data_dir: &'a Path,
        folder: &'a Path,
        stage: &Stage,
    ) -> Result<Self> {
        let mut variables: Vec<_> = [
            ("FAIRLEAD__PRESET", "highPerformance"),
            ("FAIRLEAD__AUTH__ACCESS_TTL_SECONDS", "3600"),
            ("FAIRLEAD__CACHE__REDIS__URL", stage.redis.as_str()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        for key in ["MIN", "MAX"] {
            variables.push((format!("FAIRLEAD__DATABASE__POOL__{key}"), POOL.to_string()));
        }
        for (key, variable) in known_keys(product)? {
            if is_rate(&key) {
                variables.push((variable, "1000000000".to_owned()));
            }
        }
        Ok(Self {
            product,
            binary,
            variables,
            data_dir,
            folder,
        })
    }

    fn start(&self, gate: Gate, cache: Cache, token: &str) -> Result<Server> {
        let name = match (gate, cache) {
            (Gate::On, Cache::Off) => "gate",
            (Gate::On, Cache::On) => "gate-cached",
            (Gate::Off, Cache::Off) => "no-gate",
            (Gate::Off, Cache::On) => "no-gate-cached",
        };
        self.start_with(name, gate, cache, token, &[])
    }

    /// With the gate, and with no more requests of a tenant than so many a second.
    fn start_limited(&self, rate: f64, token: &str) -> Result<Server> {
        let limits = [
            ("FAIRLEAD__RATE_LIMITS__TENANT", format!("{rate:.0}")),
            ("FAIRLEAD__RATE_LIMITS__WINDOW_SECONDS", "1".to_owned()),
        ];
        self.start_with("gate-limited", Gate::On, Cache::Off, token, &limits)
    }

    fn start_with(
        &self,
        name: &'static str,
        gate: Gate,
        cache: Cache,
        token: &str,
        more: &[(&str, String)],
    ) -> Result<Server> {
        let port = free_port()?;
        let mut command = Command::new(&self.binary);
        command
            .arg("serve")
            .envs(self.product.variables())
            .envs(self.variables.iter().cloned())
            .env("FAIRLEAD__DATA_DIR", self.data_dir)
            .env("FAIRLEAD__HTTP__PORT", port.to_string())
            .env("FAIRLEAD__ADMISSION__ENABLED", (gate == Gate::On).to_string())
            .env(
                "FAIRLEAD__CACHE__RESPONSES__ENABLED",
                (cache == Cache::On).to_string(),
            )
            .envs(more.iter().map(|(name, value)| (*name, value)));
        let path = if token.is_empty() { READY } else { FIRST };
        Server::start(name, &mut command, port, token, path, self.folder)
    }
}

/// What all measurements share.
struct Field<'a> {
    crowd: &'a Path,
    processors: &'a Processors,
    folder: &'a Path,
    seconds: u32,
    rounds: u32,
    /// Of the tenant that asks much, and of the one that asks little.
    tokens: [String; 2],
}

impl Field<'_> {
    fn ask(&self, server: &Server, workload: Workload, parties: &[Party<'_>]) -> Result<Vec<Found>> {
        let parties: Vec<Value> = parties
            .iter()
            .map(|party| {
                json!({
                    "token": party.token, "rate": party.rate, "connections": party.connections,
                    "paths": [workload.path()],
                })
            })
            .collect();
        let crowd = json!({
            "port": server.port, "seconds": self.seconds, "warmUpSeconds": 2, "usefulMs": USEFUL_MS, "parties": parties,
        });
        // By the environment, so that no token is in the process list.
        let text = child::read(
            self.processors
                .client(self.crowd.as_os_str())
                .env("CROWD", crowd.to_string()),
        )?;
        server.forget_log()?;
        serde_json::from_str(&text).context("the crowd prints no report")
    }

    fn party(&self, number: usize, rate: f64, connections: u32) -> Party<'_> {
        Party {
            token: &self.tokens[number],
            rate,
            connections,
        }
    }

    /// How many are answered in a second, when so many connections ask as fast as they are answered.
    fn peak(&self, server: &Server, workload: Workload) -> Result<f64> {
        let found = self.ask(server, workload, &[self.party(0, 0.0, CLOSED)])?;
        Ok(self.per_second(found[0].served))
    }

    fn per_second(&self, count: u64) -> f64 {
        float(count) / f64::from(self.seconds)
    }
}

pub(crate) fn run(args: &OverloadArgs) -> Result<ExitCode> {
    let data_dir = match &args.data_dir {
        Some(_) => up::data_dir(args.data_dir.as_deref())?,
        None => workspace::root().join(".fairlead/bench"),
    };
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
    let (pair, tokens) = phases.run("starting the servers", || start(&launch, &stage))?;
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
            text.push_str(&overload(&field, &launch, &pair, workload)?);
        }
        anyhow::Ok(())
    })?;
    pair.stop()?;
    let pair = Pair::start(&launch, Cache::On, &field.tokens[0])?;
    text.push_str(&phases.run("asking the cache", || cached(&field, &pair))?);
    pair.stop()?;
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

/// Starts both servers, and logs in to both tenants.
fn start(launch: &Launch<'_>, stage: &Stage) -> Result<(Pair, [String; 2])> {
    let pair = Pair::start(launch, Cache::Off, "")?;
    let neighbour = format!("{}-1", stage::TENANT);
    // Finds all leads there, and sets a new password.
    let answer = stage::demo(launch.product, &neighbour, 1)?;
    let owner = answer
        .get("owner")
        .cloned()
        .context("the product names no owner")?;
    let owner: Owner = serde_json::from_value(owner)?;
    let tokens = [
        log_in(&pair.with, stage::TENANT, &stage.owner)?,
        log_in(&pair.with, &neighbour, &owner)?,
    ];
    Ok((pair, tokens))
}

fn log_in(server: &Server, tenant: &str, owner: &Owner) -> Result<String> {
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
fn overload(field: &Field<'_>, launch: &Launch<'_>, pair: &Pair, workload: Workload) -> Result<String> {
    let mut peaks = Vec::new();
    for _ in 0..field.rounds {
        peaks.push(field.peak(&pair.without, workload)?);
    }
    let peak = median(peaks.iter().copied());
    let mut text = format!(
        "\n### {} {}\n\nWithout the gate, {CLOSED} connections that ask as fast as they are answered are answered {peak:.0} \
         times a second: the peak, P.\n\n\
         | asked | gate | answered within {USEFUL_MS} ms, of P | P95 · P99 of the answered, ms | refused | P99 · most of the refused, ms | neither |\n\
         |---|---|--:|--:|--:|--:|--:|\n",
        workload.name(),
        workload.title(),
    );
    for load in [1.0, 3.0] {
        for (gate, server) in pair.each() {
            let mut rounds = Vec::new();
            for _ in 0..field.rounds {
                let found = field.ask(server, workload, &[field.party(0, load * peak, OPEN)])?;
                rounds.push(found[0]);
            }
            text.push_str(&goodput_row(field, load, gate, peak, &rounds));
        }
    }
    let share = peak / SHARES;
    let limited = launch.start_limited(LEEWAY * share, &field.tokens[0])?;
    let servers = [
        ("off", &pair.without),
        ("**on**", &pair.with),
        ("**on**, and rates", &limited),
    ];
    text.push_str(&neighbours(field, &servers, workload, share)?);
    limited.stop()?;
    Ok(text)
}

fn goodput_row(field: &Field<'_>, load: f64, gate: Gate, peak: f64, rounds: &[Found]) -> String {
    let of = |value: &dyn Fn(&Found) -> f64| median(rounds.iter().map(value));
    let part = |count: u64, found: &Found| 100.0 * float(count) / float(found.due.max(1));
    format!(
        "| {load:.0} P | {} | {:.2} | {:.0} · {:.0} | {:.0} % | {:.1} · {:.1} | {:.0} % |\n",
        name(gate),
        of(&|found| field.per_second(found.useful) / peak),
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

/// What the gate costs those who are answered from memory.
fn cached(field: &Field<'_>, pair: &Pair) -> Result<String> {
    let script = load::install(field.folder)?;
    let lines = field.folder.join("overload-W7.txt");
    fs::write(&lines, Workload::W7.path() + "\n")?;
    let mut ratios = Vec::new();
    let mut rates = [Vec::new(), Vec::new()];
    // More rounds than of the others, as a hundredth is looked for.
    for _ in 0..field.rounds * 3 {
        let mut of_round = [0.0; 2];
        for (index, (_, server)) in pair.each().into_iter().enumerate() {
            let seen = load::run(
                &script,
                &Load {
                    processors: Some(field.processors),
                    workload: Workload::W7,
                    lines: &lines,
                    port: server.port,
                    token: &field.tokens[0],
                    connections: CLOSED,
                    seconds: field.seconds,
                    key: String::new(),
                },
            )?;
            server.forget_log()?;
            if seen.errors() > 0 {
                bail!("{} requests of W7 failed", seen.errors());
            }
            of_round[index] = float(seen.requests) * 1e6 / float(seen.micros.max(1));
            rates[index].push(of_round[index]);
        }
        ratios.push(of_round[1] / of_round[0]);
    }
    let [without, with] = rates.map(|rates| median(rates.into_iter()));
    Ok(format!(
        "\n### W7 list of 50, cached\n\nWithout the gate {without:.0} requests a second, with it {with:.0}; the median of the \
         ratios of each round is {:.3}.\n",
        median(ratios.into_iter())
    ))
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

fn name(gate: Gate) -> &'static str {
    match gate {
        Gate::On => "**on**",
        Gate::Off => "off",
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}
