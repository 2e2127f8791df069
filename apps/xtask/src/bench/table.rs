//! The report as Markdown.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::measure::{Measurement, Series, Subject};
use super::report::Report;
use super::soak::Soak;
use super::workload::Workload;

/// What stands around the table `name` in a document.
fn marks(name: &str) -> [String; 2] {
    ["begin", "end"].map(|place| format!("<!-- {name}: {place} -->"))
}

const HEAD: &str = "\
| work | who | requests/s | of the limit | P50 ms | P95 ms | P99 ms | CPU µs: server + database | RSS after · peak MiB | errors |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|
";

pub(crate) fn of(report: &Report) -> String {
    let mut text = introduction(report);
    for &connections in &report.plan.connections {
        let _ = write!(text, "\n### {connections} connections\n\n{HEAD}");
        let mut workloads = report.plan.workloads.clone();
        workloads.sort_unstable();
        for workload in workloads {
            let group = report.group(workload, connections);
            for series in &group {
                text.push_str(&row(report, series, &group));
            }
        }
    }
    text.push_str(&startups(report));
    text.extend(report.soak.as_ref().map(soaked));
    text
}

fn introduction(report: &Report) -> String {
    let Report {
        machine, plan, data, ..
    } = report;
    let settings: Vec<String> = report
        .settings
        .iter()
        .map(|(name, value)| format!("`{name} = {value}`"))
        .collect();
    let mut text = format!(
        "Commit `{}`, measured {} on {machine}.\n\
         PostgreSQL {}: {}.\n\
         {} tenants; the measured one has {} leads, and {} activities of {} of them.\n\
         {} rounds of {} s each (W4 and W8 twice, W6 five times that), {} database connections per server, {} for pgbench.\n",
        report.occasion.commit,
        report.occasion.taken,
        report.postgres,
        settings.join(", "),
        data.tenants,
        thousands(data.leads),
        thousands(data.activities),
        thousands(data.leads_with_activities),
        plan.rounds,
        plan.seconds,
        report.pool,
        report.pgbench_connections,
    );
    if plan.is_quick {
        text.push_str(
            "**A quick run, on little data: it shows that everything works, not how fast it is.**\n",
        );
    }
    if !report.has_response_cache {
        text.push_str(
            "This version has no response cache to switch on: its W7 is the list without a cache.\n",
        );
    }
    text
}

fn row(report: &Report, series: &Series, group: &[&Series]) -> String {
    let Measurement {
        requests,
        per_second,
        p50,
        p95,
        p99,
        errors,
        cpu,
        database_cpu,
        memory_mib,
        peak_mib,
    } = series.summary();
    let is_first = series.subject == Subject::Ours;
    let work = if is_first {
        format!("**{}** {}", series.workload.name(), series.workload.title())
    } else {
        String::new()
    };
    // The first limit is the one that counts; what is bare beside it is compared with, too.
    let limit = group
        .iter()
        .find(|other| matches!(other.subject, Subject::PgLimit | Subject::HttpLimit));
    let ratio = match limit {
        Some(limit) if limit.subject != series.subject => format!("{:.2}", series.ratio_to(limit)),
        _ => String::new(),
    };
    let cpu = match cpu {
        Some(cpu) => format!("{cpu:.0} + {database_cpu:.0}"),
        None => format!("{database_cpu:.0}"),
    };
    let memory = match (memory_mib, peak_mib) {
        (Some(now), Some(peak)) => format!("{now:.0} · {peak:.0}"),
        _ => String::new(),
    };
    // Where nobody was answered before the round was over, there are no times.
    let duration = |micros| {
        if requests == 0 {
            "–".to_owned()
        } else {
            milliseconds(micros)
        }
    };
    let errors = if errors == 0 {
        "0".to_owned()
    } else {
        format!("**{errors}**")
    };
    format!(
        "| {work} | {} | {} | {ratio} | {} | {} | {} | {cpu} | {memory} | {errors} |\n",
        who(report, series),
        rate(per_second),
        duration(p50),
        duration(p95),
        duration(p99),
    )
}

fn who(report: &Report, series: &Series) -> &'static str {
    match series.subject {
        Subject::Ours if series.workload == Workload::W7 && !report.has_response_cache => {
            "fairlead, not cached"
        }
        Subject::Ours => "**fairlead**",
        Subject::PgLimit => "limit: pg",
        Subject::PgBare => "pg, the bare insert",
        Subject::HttpLimit => "limit: http",
        Subject::HttpLogged => "http, with a log line",
        Subject::Baseline if series.workload == Workload::W7 => "axum + sqlx + Redis",
        Subject::Baseline => "axum + sqlx",
    }
}

fn startups(report: &Report) -> String {
    let mut text = "\n### Start and memory\n\n\
        | who | start to first 200, ms | RSS idle, MiB | peak over W1–W5 at the most connections, MiB |\n\
        |---|--:|--:|--:|\n"
        .to_owned();
    for (startup, subject) in report.startups.iter().zip([Subject::Ours, Subject::Baseline]) {
        let peak = report
            .peak_mib(subject)
            .map_or_else(|| "–".to_owned(), |peak| format!("{peak:.0}"));
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} | {peak} |",
            startup.name, startup.first_answer_ms, startup.idle_mib
        );
    }
    text
}

fn soaked(soak: &Soak) -> String {
    let memory: Vec<String> = soak.memory_mib.iter().map(|mib| format!("{mib:.0}")).collect();
    format!(
        "\nW1 to W5 and W8 at once, cache on, {} connections for {} minutes: {} requests, {} errors; \
         RSS of fairlead before, and after each minute: {} MiB.\n",
        soak.connections,
        soak.minutes,
        thousands(soak.requests),
        soak.errors,
        memory.join(", ")
    )
}

fn rate(per_second: f64) -> String {
    if per_second < 100.0 {
        format!("{per_second:.1}")
    } else {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive number far below 2^53"
        )]
        thousands(per_second.round() as u64)
    }
}

fn milliseconds(micros: f64) -> String {
    let milliseconds = micros / 1_000.0;
    match milliseconds {
        small if small < 1.0 => format!("{small:.2}"),
        middle if middle < 100.0 => format!("{middle:.1}"),
        great => format!("{great:.0}"),
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Fails if a table could not be put into the document.
pub(crate) fn check_marks(document: &Path, name: &str) -> Result<()> {
    let [begin, end] = marks(name);
    let text = fs::read_to_string(document).with_context(|| format!("cannot read {}", document.display()))?;
    let places = text.find(&begin).zip(text.find(&end));
    let in_order = places.is_some_and(|(begin, end)| begin < end);
    ensure!(in_order, "{} has no lines {begin} and {end}", document.display());
    Ok(())
}

/// Replaces the table between the marks of the document.
pub(crate) fn put_into(document: &Path, name: &str, table: &str) -> Result<()> {
    let [begin, end] = marks(name);
    let text = fs::read_to_string(document).with_context(|| format!("cannot read {}", document.display()))?;
    let (before, rest) = text
        .split_once(&begin)
        .context("the document has lost its marks")?;
    let (_, after) = rest.split_once(&end).context("the document has lost its marks")?;
    fs::write(document, format!("{before}{begin}\n\n{table}\n{end}{after}"))
        .with_context(|| format!("cannot write {}", document.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            ["7", "700", "7,000", "1,234,567"],
            [7, 700, 7_000, 1_234_567]
                .map(thousands)
                .each_ref()
                .map(String::as_str)
        );
    }

    #[test]
    fn times_have_three_figures() {
        assert_eq!(milliseconds(123.4), "0.12");
        assert_eq!(milliseconds(12_345.0), "12.3");
        assert_eq!(milliseconds(1_234_567.0), "1235");
    }
}
