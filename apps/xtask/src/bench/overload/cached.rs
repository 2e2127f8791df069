//! What gate and rate limits cost those who are answered from memory.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::crowd::{CLOSED, Field};
use crate::bench::load::{self, Load};
use crate::bench::measure::{float, median};
use crate::bench::server::Server;
use crate::bench::servers::{Launch, Parts};
use crate::bench::workload::Workload;

const TOLD: [&str; 3] = ["neither", "the gate", "gate and rate limits"];

/// A table of W7. All are measured in each round, so that whatever else the machine does hits them all.
pub(super) fn table(field: &Field<'_>, launch: &Launch<'_>) -> Result<String> {
    let servers: Vec<Server> = Parts::CACHED
        .iter()
        .map(|parts| launch.start(*parts, &field.tokens[0]))
        .collect::<Result<_>>()?;
    let script = load::install(field.folder)?;
    let lines = field.folder.join("overload-W7.txt");
    fs::write(&lines, Workload::W7.path() + "\n")?;
    // Rounds, and in each the rate of every server. More than of the others, as a hundredth is looked for.
    let mut rounds: Vec<Vec<f64>> = Vec::new();
    for round in 0..field.rounds * 4 {
        let mut rates = vec![0.0; servers.len()];
        // Nobody is always the first, who finds the machine rested.
        for turn in 0..servers.len() {
            let index = (turn + round as usize) % servers.len();
            rates[index] = rate(field, &script, &lines, &servers[index])?;
        }
        rounds.push(rates);
    }
    for server in servers {
        server.stop()?;
    }
    let mut text = "\n### W7 list of 50, cached\n\n\
                    | on | requests/s | of neither, by round |\n|---|--:|--:|\n"
        .to_owned();
    for (index, told) in TOLD.iter().enumerate() {
        let _ = writeln!(
            text,
            "| {told} | {:.0} | {:.3} |",
            median(rounds.iter().map(|rates| rates[index])),
            median(rounds.iter().map(|rates| rates[index] / rates[0])),
        );
    }
    Ok(text)
}

/// Returns how many are answered in a second.
fn rate(field: &Field<'_>, script: &Path, lines: &Path, server: &Server) -> Result<f64> {
    let seen = load::run(
        script,
        &Load {
            processors: Some(field.processors),
            workload: Workload::W7,
            lines,
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
    Ok(float(seen.requests) * 1e6 / float(seen.micros.max(1)))
}
