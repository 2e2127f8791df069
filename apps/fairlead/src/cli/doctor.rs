use std::process::ExitCode;

use clap::Args;

use crate::config::Input;
use crate::doctor::{Check, Report, Verdict, examine};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  fairlead doctor
  fairlead doctor --json | jq '.checks[] | select(.verdict != \"ok\")'

Exit code 1 when any check fails; warnings do not count.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DoctorArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &DoctorArgs, input: &Input) -> anyhow::Result<ExitCode> {
    crate::tls::install_provider();
    let report = examine(input).await;
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&for_people(&report))?;
    }
    Ok(if report.verdict == Verdict::Fail {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn for_people(report: &Report) -> String {
    let width = report
        .checks
        .iter()
        .map(|check| check.name.len())
        .max()
        .unwrap_or_default();
    let line = |check: &Check| {
        let verdict = match check.verdict {
            Verdict::Ok => "ok  ",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        // A fix may be SQL of several lines; all of it stands below its check.
        let fix = check
            .fix
            .as_ref()
            .map(|fix| format!("\n        fix: {}", fix.replace('\n', "\n             ")));
        format!(
            "{verdict}  {:width$}  {}{}",
            check.name,
            check.detail,
            fix.unwrap_or_default()
        )
    };
    let count = |verdict: Verdict| {
        report
            .checks
            .iter()
            .filter(|check| check.verdict == verdict)
            .count()
    };
    format!(
        "{}\n\n{} ok, {} warnings, {} failures",
        report.checks.iter().map(line).collect::<Vec<_>>().join("\n"),
        count(Verdict::Ok),
        count(Verdict::Warn),
        count(Verdict::Fail),
    )
}
