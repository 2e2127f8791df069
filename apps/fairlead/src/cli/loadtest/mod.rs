//! Asks a server for as much as a scenario says, and tells how it fared: without any other tool.

mod generate;
mod report;
mod scenario;
mod sockets;

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use fairlead_domain::clock::Clock as _;
use fairlead_telemetry::spawn;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::signal::ctrl_c;
use tokio::time::{Instant, sleep};

use crate::output;
use crate::remote::{INTERRUPTED, Remote, RemoteArgs, UsageError};
use crate::system::SystemClock;
use generate::{Plan, Tallies, Tally};
use report::{Figures, PhaseFigures, Report, RouteFigures};
use scenario::Scenario;
use sockets::Followed;

/// It ran, and the targets were missed.
const MISSED: u8 = 3;
const DEFAULT_CONNECTIONS: usize = 50;
/// A login is good for a quarter of an hour where nothing else is configured, and is not renewed under way.
const LONGEST_BY_LOGIN: Duration = Duration::from_mins(10);
const LOOK_EVERY: Duration = Duration::from_millis(250);

const EXAMPLES: &str = "\
Examples:
  FAIRLEAD_API_KEY=tk_… fairlead loadtest --scenario baseline
  fairlead loadtest --scenario stress --rate 200 --duration 5m
  fairlead loadtest --scenario websocket --connections 500 --rate 10
  fairlead loadtest --scenario baseline --json | jq .targets
  FAIRLEAD_OPERATOR_KEY=op_… fairlead loadtest --scenario api

It is real work for the server, of the tenant whose credential it is: its limits count (docs/limits.md). Leads are made by \
the scenario websocket alone, which deletes them again. With the credential of an operator the report has what held \
requests up.

Exit codes: 0 the targets are met, 1 it could not be run, 2 the command line is wrong, 3 a target is missed, \
130 Ctrl-C, with a report of what was done until then.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LoadtestArgs {
    /// What is asked, and how much
    #[arg(long, value_enum)]
    scenario: Scenario,
    /// How long: 30s, 5m, 1h [default: the scenario's]
    #[arg(long, value_parser = lasts)]
    duration: Option<Duration>,
    /// Requests per second, whether those before were answered or not; of `stress` the first of ten steps, of
    /// `websocket` leads that are made [default: the scenario's]
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// Connections at once, at the most; of `websocket` clients that follow
    #[arg(long, default_value_t = DEFAULT_CONNECTIONS, value_parser = connections)]
    connections: usize,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// File to write the report to, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// File with the key of an operator [else: the key in `FAIRLEAD_OPERATOR_KEY`]
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    operator_key_file: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
}

impl LoadtestArgs {
    fn lasts(&self) -> Duration {
        self.duration.unwrap_or_else(|| self.scenario.usual_duration())
    }
}

fn lasts(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3_600)];
    let mut spans = units.into_iter().filter_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(seconds)
    });
    match spans.next() {
        Some(seconds) if (1..=86_400).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err("must be from 1s to 24h, such as 30s, 5m or 1h".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("must be from 0.1 to 100000 a second".to_owned()),
    }
}

fn connections(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(connections) if (1..=20_000).contains(&connections) => Ok(connections),
        _ => Err("must be from 1 to 20000".to_owned()),
    }
}

pub(super) async fn run(args: &LoadtestArgs) -> anyhow::Result<ExitCode> {
    crate::tls::install_provider();
    let lasts = args.lasts();
    if args.scenario != Scenario::Api && args.remote.is_user() && lasts > LONGEST_BY_LOGIN {
        return Err(UsageError(format!(
            "{} s are longer than a login is sure to last: use an API key, by FAIRLEAD_API_KEY or --key-file, or stay within \
             {} s by --duration",
            lasts.as_secs(),
            LONGEST_BY_LOGIN.as_secs()
        ))
        .into());
    }
    let file = args.out.as_ref().map(|path| {
        File::create(path).map_err(|error| UsageError(format!("cannot write {}: {error}", path.display())))
    });
    let file = file.transpose()?;
    let operator = Remote::operator_if_any(&args.remote, args.operator_key_file.as_deref())?;
    let report = match (args.scenario, &operator) {
        (Scenario::Api, None) => {
            let told = "the scenario api is for operators: set FAIRLEAD_OPERATOR_KEY, or name a file by --operator-key-file";
            return Err(UsageError(told.to_owned()).into());
        }
        (Scenario::Api, Some(remote)) => load(args, remote, operator.as_ref()).await?,
        _ => {
            Remote::with(&args.remote, async |remote| {
                load(args, remote, operator.as_ref()).await
            })
            .await?
        }
    };
    if let Some(mut file) = file {
        let mut json = serde_json::to_vec_pretty(&report.0)?;
        json.push(b'\n');
        file.write_all(&json).context("cannot write the report")?;
    }
    if args.json {
        output::print_json(&report.0)?;
    } else {
        output::print(&report.0.text())?;
    }
    Ok(match (report.1, report.0.targets_met) {
        (true, _) => ExitCode::from(INTERRUPTED),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(MISSED),
    })
}

/// Returns what came of it, and whether somebody stopped it.
async fn load(
    args: &LoadtestArgs,
    remote: &Remote,
    operator: Option<&Remote>,
) -> anyhow::Result<(Report, bool)> {
    let scenario = args.scenario;
    let rate = args.rate.unwrap_or_else(|| scenario.usual_rate());
    let lasts = args.lasts();
    let mut phases = scenario.phases(rate, lasts);
    let targets = scenario.targets();
    let tallies = Tallies::new(phases.len());
    let stop = Arc::new(AtomicBool::new(false));
    let mut notes = Vec::new();
    let routes = if scenario == Scenario::Websocket {
        Vec::new()
    } else {
        let leads = if scenario == Scenario::Api {
            Vec::new()
        } else {
            leads(remote).await
        };
        let (kept, left_out) = generate::probe(remote.client(), scenario.routes(&leads)).await?;
        notes.extend(left_out);
        anyhow::ensure!(
            !kept.is_empty(),
            "this credential may ask for nothing of the scenario: {}",
            notes.join("; ")
        );
        kept
    };

    let began_at = SystemClock.now();
    let began = Instant::now();
    let listening = {
        let stop = Arc::clone(&stop);
        spawn(async move {
            if ctrl_c().await.is_ok() {
                stop.store(true, Ordering::Relaxed);
            }
        })
    };
    let bar = bar(scenario, lasts);
    let showing = spawn(show(bar.clone(), tallies.clone(), began));
    if scenario == Scenario::Websocket {
        let followed = sockets::run(remote.client(), args.connections, &phases[0], &tallies, &stop).await;
        showing.abort();
        bar.finish_and_clear();
        let followed = followed?;
        tell_of(&followed, &tallies, &mut notes);
        // As many as were made, which is less where the server takes them no faster.
        phases[0].rate = followed.rate();
        phases[0].lasts = followed.lasted;
    } else {
        let plan = Plan {
            client: remote.client().clone(),
            routes: Arc::new(routes),
            phases: phases.clone(),
            connections: args.connections,
            is_newest: scenario == Scenario::Database,
        };
        let goes_on = |tally: &Tally| {
            scenario != Scenario::Stress || report::judge(tally, &targets).iter().all(|target| target.met)
        };
        let done = generate::run(plan, &tallies, Arc::clone(&stop), goes_on).await;
        phases.truncate(done);
        showing.abort();
        bar.finish_and_clear();
    }
    listening.abort();
    let was_stopped = stop.load(Ordering::Relaxed);
    notes.extend(was_stopped.then(|| "it was stopped before its end".to_owned()));

    let tallies = tallies.locked().clone();
    let mut total = Tally::default();
    for tally in &tallies[..phases.len()] {
        total.merge(tally);
    }
    if total.refused.contains_key(&429) {
        let told = "429 is a limit of the tenant, or of a route, and not what the server can take: see docs/limits.md";
        notes.push(told.to_owned());
    }
    let of_phases: Vec<PhaseFigures> = phases
        .iter()
        .zip(&tallies)
        .map(|(phase, tally)| PhaseFigures::of(phase, tally, &targets))
        .collect();
    let judged = report::judge(&total, &targets);
    let report = Report {
        scenario: scenario.name(),
        server: remote.client().base().to_string(),
        began_at: output::moment(began_at),
        seconds: began.elapsed().as_secs_f64(),
        connections: args.connections,
        routes: RouteFigures::of(&total),
        total: Figures::of(&total),
        capacity: report::capacity(scenario, &of_phases),
        phases: of_phases,
        targets_met: judged.iter().all(|target| target.met),
        targets: judged,
        bottlenecks: bottlenecks(operator, &mut notes).await,
        notes,
    };
    Ok((report, was_stopped))
}

/// What the followers have seen beside what is counted. What was not understood has failed.
fn tell_of(followed: &Followed, tallies: &Tallies, notes: &mut Vec<String>) {
    notes.push(format!(
        "{} followed while {} leads were made",
        followed.sockets, followed.made
    ));
    for (count, told) in [
        (
            followed.refused,
            "leads were refused or had no answer, so nobody was told of them",
        ),
        (followed.malformed, "messages had no type or no data"),
        (followed.ended, "connections ended before the run did"),
        (followed.left_over, "leads of it could not be deleted again"),
    ] {
        notes.extend((count > 0).then(|| format!("{count} {told}")));
    }
    let tally = &mut tallies.locked()[0];
    tally.due += followed.malformed;
    tally.sent += followed.malformed;
}

/// Some leads of the tenant; none where this credential may not see any.
async fn leads(remote: &Remote) -> Vec<String> {
    let page: Result<Value, _> = remote.client().get("/api/v1/leads?limit=100&fields=id").await;
    let items = page.ok().and_then(|page| page["items"].as_array().cloned());
    let ids = items.into_iter().flatten();
    ids.filter_map(|lead| lead["id"].as_str().map(str::to_owned))
        .collect()
}

/// What the server says held requests up, in its last interval of measuring.
async fn bottlenecks(operator: Option<&Remote>, notes: &mut Vec<String>) -> Option<Value> {
    let found = operator?
        .client()
        .get::<Value>("/api/v1/performance/capacity/bottlenecks")
        .await;
    match found {
        Ok(found) => Some(found["items"].clone()),
        Err(error) => {
            notes.push(format!(
                "what held requests up was not told: {}",
                output::chain(&error)
            ));
            None
        }
    }
}

fn bar(scenario: Scenario, lasts: Duration) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:10} {wide_bar} {elapsed} of {msg}")
        .expect("the template is well-formed");
    ProgressBar::new(lasts.as_secs().max(1))
        .with_style(style)
        .with_prefix(scenario.name())
        .with_message(format!("{} s", lasts.as_secs()))
}

/// Tells how it goes, as long as it does.
async fn show(bar: ProgressBar, tallies: Tallies, began: Instant) {
    let length = bar.length().unwrap_or_default();
    loop {
        sleep(LOOK_EVERY).await;
        let mut total = Tally::default();
        for tally in tallies.locked().iter() {
            total.merge(tally);
        }
        let p95 = total.latency.quantile(950).unwrap_or_default();
        bar.set_position(began.elapsed().as_secs().min(length));
        bar.set_message(format!(
            "{length} s, {} done, {} failed or under way, P95 {:.1} ms",
            HumanCount(total.succeeded),
            HumanCount(total.failed()),
            p95.as_secs_f64() * 1e3
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_has_a_unit_and_bounds() {
        assert_eq!(lasts("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(lasts("5m"), Ok(Duration::from_mins(5)));
        for wrong in ["", "5", "0s", "25h", "-1m", "1d"] {
            assert!(lasts(wrong).is_err(), "{wrong}");
        }
        assert!(rate("0").is_err() && rate("NaN").is_err() && connections("0").is_err());
    }
}
