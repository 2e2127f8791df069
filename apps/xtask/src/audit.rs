//! `cargo xtask audit`

use std::process::ExitCode;

use anyhow::Result;

use crate::child;
use crate::phases::Phases;
use crate::workspace::cargo;

pub(crate) fn run() -> Result<ExitCode> {
    let mut phases = Phases::default();
    phases.run("cargo deny", || {
        provide("deny")?;
        child::run(cargo().args(["deny", "check"]))
    })?;
    phases.run("cargo machete", || {
        provide("machete")?;
        child::run(cargo().arg("machete"))
    })?;
    phases.report();
    Ok(ExitCode::SUCCESS)
}

/// Installs a cargo tool unless it is there.
fn provide(tool: &str) -> Result<()> {
    let found = cargo().args([tool, "--version"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    child::run(cargo().args(["install", "--locked"]).arg(format!("cargo-{tool}")))
}
