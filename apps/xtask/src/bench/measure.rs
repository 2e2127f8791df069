//! Rounds in which everybody takes turns.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use super::field::Field;
use super::load::{self, Load};
use super::server::Server;
use super::stage::Stage;
use super::statements::{self, Extent};
use super::workload::{BULK, Workload};
use crate::interrupt;

/// What is measured, and how often.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    pub(crate) is_quick: bool,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) connections: Vec<u32>,
    pub(crate) seconds: u32,
    pub(crate) rounds: u32,
}

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Subject {
    Ours,
    /// PostgreSQL with the same statements as one pipeline.
    PgLimit,
    /// PostgreSQL with nothing but the rows of the leads.
    PgBare,
    /// An HTTP server with the answer at hand.
    HttpLimit,
    /// The same with a line in a log for each request.
    HttpLogged,
    Baseline,
}

/// One measurement; times in microseconds.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measurement {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    /// Requests without an answer of 2xx.
    pub(crate) errors: u64,
    /// Processor time per request of the server.
    pub(crate) cpu: Option<f64>,
    /// Processor time per request of all of PostgreSQL.
    pub(crate) database_cpu: f64,
    /// Resident memory of the server afterwards, and at the most meanwhile.
    pub(crate) memory_mib: Option<f64>,
    pub(crate) peak_mib: Option<f64>,
}

/// All rounds of one subject at one workload and number of connections.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Series {
    pub(crate) workload: Workload,
    pub(crate) connections: u32,
    pub(crate) subject: Subject,
    pub(crate) rounds: Vec<Measurement>,
}

impl Subject {
    /// The limit is the one that the second stands for.
    fn of(workload: Workload) -> &'static [Self] {
        match workload {
            Workload::W7 => &[Self::Ours, Self::HttpLimit, Self::HttpLogged, Self::Baseline],
            Workload::W5 | Workload::W6 => &[Self::Ours, Self::PgLimit, Self::PgBare, Self::Baseline],
            _ => &[Self::Ours, Self::PgLimit, Self::Baseline],
        }
    }
}

impl Series {
    /// The medians of all rounds, each figure by itself; errors are added up.
    pub(crate) fn summary(&self) -> Measurement {
        let of = |value: fn(&Measurement) -> f64| median(self.rounds.iter().map(value));
        let of_some = |value: fn(&Measurement) -> Option<f64>| {
            let values: Vec<f64> = self.rounds.iter().filter_map(value).collect();
            (!values.is_empty()).then(|| median(values.into_iter()))
        };
        Measurement {
            requests: self.rounds.iter().map(|round| round.requests).sum(),
            per_second: of(|round| round.per_second),
            p50: of(|round| round.p50),
            p95: of(|round| round.p95),
            p99: of(|round| round.p99),
            errors: self.rounds.iter().map(|round| round.errors).sum(),
            cpu: of_some(|round| round.cpu),
            database_cpu: of(|round| round.database_cpu),
            memory_mib: of_some(|round| round.memory_mib),
            peak_mib: of_some(|round| round.peak_mib),
        }
    }

    /// The median of what each round of ours reached of the same round of `other`.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        let pairs = self.rounds.iter().zip(&other.rounds);
        let ratios = pairs.map(|(own, other)| own.per_second / other.per_second);
        // A round in which the other did nothing tells nothing.
        median(ratios.filter(|ratio| ratio.is_finite()))
    }
}

/// Measures all that is planned; what came before a failure, or before Ctrl-C, is in `results`.
pub(crate) fn all(stage: &Stage, field: &Field, plan: &Plan, results: &mut Vec<Series>) -> Result<()> {
    for &workload in &plan.workloads {
        check_answers(field, workload)?;
        write_scripts(field, workload)?;
        for &connections in &plan.connections {
            results.extend(one(stage, field, plan, workload, connections)?);
        }
    }
    Ok(())
}

fn one(
    stage: &Stage,
    field: &Field,
    plan: &Plan,
    workload: Workload,
    connections: u32,
) -> Result<Vec<Series>> {
    let mut results: Vec<Series> = Subject::of(workload)
        .iter()
        .map(|&subject| Series {
            workload,
            connections,
            subject,
            rounds: Vec::new(),
        })
        .collect();
    let seconds = plan.seconds * workload.stretch();
    if !plan.is_quick {
        for series in &results {
            // Plans, caches and connections: nobody pays for being the first.
            take_turn(stage, field, series, 0, 1)?;
        }
    }
    for round in 1..=plan.rounds {
        let mut line = format!("{} {connections} connections, round {round}:", workload.name());
        // Nobody always stands behind the same one.
        let first = (round as usize - 1) % results.len();
        for turn in 0..results.len() {
            interrupt::check()?;
            let index = (first + turn) % results.len();
            let measurement = take_turn(stage, field, &results[index], round, seconds)?;
            let series = &mut results[index];
            let _ = write!(line, " {:?} {:.0}/s", series.subject, measurement.per_second);
            if measurement.errors > 0 {
                let _ = write!(line, " with {} errors", measurement.errors);
            }
            series.rounds.push(measurement);
        }
        eprintln!("{line}");
    }
    Ok(results)
}

fn take_turn(stage: &Stage, field: &Field, series: &Series, round: u32, seconds: u32) -> Result<Measurement> {
    let is_cached = series.workload.is_cached();
    let server = match series.subject {
        Subject::Ours if is_cached => &field.ours_cached,
        Subject::Ours => &field.ours,
        Subject::Baseline if is_cached => &field.baseline_cached,
        Subject::Baseline => &field.baseline,
        Subject::HttpLimit => &field.http,
        Subject::HttpLogged => &field.http_logged,
        Subject::PgLimit => return by_pgbench(stage, field, series.workload, Extent::Whole, seconds),
        Subject::PgBare => return by_pgbench(stage, field, series.workload, Extent::Bare, seconds),
    };
    let load = Load {
        processors: None,
        workload: series.workload,
        lines: &field.lines(series.workload),
        port: server.port,
        token: server.token(),
        connections: series.connections,
        seconds,
        key: format!(
            "{}-{}-{}-{round}",
            server.name(),
            series.workload.name(),
            series.connections
        ),
    };
    server.forget_peak()?;
    let (cpu, database_cpu) = (server.cpu()?, stage.cpu()?);
    let seen = load::run(&field.script, &load)?;
    let cpu = server.cpu()?.saturating_sub(cpu);
    let database_cpu = stage.cpu()?.saturating_sub(database_cpu);
    let memory = server.memory()?;
    stage.settle()?;
    if seen.errors() == 0 {
        server.forget_log()?;
    } else {
        eprintln!(
            "{} of {} requests failed; {}",
            seen.errors(),
            seen.requests,
            server.last_lines()
        );
    }
    Ok(Measurement {
        requests: seen.requests,
        per_second: float(seen.requests) / (float(seen.micros) / 1e6),
        p50: float(seen.p50),
        p95: float(seen.p95),
        p99: float(seen.p99),
        errors: seen.errors(),
        cpu: Some(per_request(cpu, seen.requests)),
        database_cpu: per_request(database_cpu, seen.requests),
        memory_mib: Some(memory.now_mib()),
        peak_mib: Some(memory.peak_mib()),
    })
}

fn by_pgbench(
    stage: &Stage,
    field: &Field,
    workload: Workload,
    extent: Extent,
    seconds: u32,
) -> Result<Measurement> {
    let cpu = stage.cpu()?;
    let done = field.pgbench.run(
        &field.folder.join(script_name(workload, extent)),
        workload.plans(),
        seconds,
    )?;
    let cpu = stage.cpu()?.saturating_sub(cpu);
    stage.settle()?;
    Ok(Measurement {
        requests: done.transactions,
        per_second: done.per_second,
        p50: float(done.p50),
        p95: float(done.p95),
        p99: float(done.p99),
        database_cpu: per_request(cpu, done.transactions),
        ..Measurement::default()
    })
}

fn write_scripts(field: &Field, workload: Workload) -> Result<()> {
    for subject in Subject::of(workload) {
        let extent = match subject {
            Subject::PgLimit => Extent::Whole,
            Subject::PgBare => Extent::Bare,
            _ => continue,
        };
        let script = statements::script(workload, extent, &field.sample)?;
        fs::write(field.folder.join(script_name(workload, extent)), script)?;
    }
    Ok(())
}

fn script_name(workload: Workload, extent: Extent) -> String {
    match extent {
        Extent::Whole => format!("{}.pgbench.sql", workload.name()),
        Extent::Bare => format!("{}-bare.pgbench.sql", workload.name()),
    }
}

/// Makes sure that everybody answers, and answers the same, before it is measured how fast.
fn check_answers(field: &Field, workload: Workload) -> Result<()> {
    let (ours, baseline) = if workload.is_cached() {
        (&field.ours_cached, &field.baseline_cached)
    } else {
        (&field.ours, &field.baseline)
    };
    let (own, plain) = (size(field, ours, workload)?, size(field, baseline, workload)?);
    // A part of a name may stand within a word, for the baseline alone.
    if workload != Workload::W8 {
        ensure!(
            own == plain,
            "{}: {own} of ours, {plain} of the baseline",
            workload.name()
        );
    }
    Ok(())
}

/// Returns how much is in an answer: items, leads, activities.
fn size(field: &Field, server: &Server, workload: Workload) -> Result<usize> {
    let lines = fs::read_to_string(field.lines(workload))?;
    let line = lines.lines().next().context("there is nothing to ask for")?;
    let answer = if workload.writes() {
        server.post(&workload.path(), line)?
    } else {
        server.get(line)?
    };
    let wanted = if workload == Workload::W5 { 201 } else { 200 };
    ensure!(
        answer.status == wanted,
        "{}: {} answers {} instead of {wanted}: {}",
        workload.name(),
        server.name(),
        answer.status,
        answer.body
    );
    let body: Value = serde_json::from_str(&answer.body)?;
    let items = || body["items"].as_array().map_or(0, Vec::len);
    let size = match workload {
        Workload::W1 | Workload::W5 => usize::from(body["id"].is_string()),
        Workload::W2 | Workload::W7 | Workload::W8 => items(),
        Workload::W3 => {
            let of_each = body["items"].as_array().into_iter().flatten();
            items()
                + of_each
                    .map(|lead| lead["activities"].as_array().map_or(0, Vec::len))
                    .sum::<usize>()
        }
        Workload::W4 => usize::try_from(body["total"].as_u64().unwrap_or_default())?,
        Workload::W6 => {
            let written = body["successful"].as_u64().unwrap_or_default();
            ensure!(
                written == BULK as u64,
                "{} wrote {written} of {BULK} leads",
                server.name()
            );
            BULK
        }
    };
    ensure!(
        size > 0,
        "{}: the answer of {} is empty",
        workload.name(),
        server.name()
    );
    Ok(size)
}

/// Microseconds.
fn per_request(time: Duration, requests: u64) -> f64 {
    if requests == 0 {
        return 0.0;
    }
    time.as_secs_f64() * 1e6 / float(requests)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and microseconds are far below 2^52"
)]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        assert!((median([3.0, 1.0, 2.0].into_iter()) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0].into_iter()) - 2.5).abs() < f64::EPSILON);
    }
}
