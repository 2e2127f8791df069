//! `cargo xtask openapi`

use std::env;
use std::fs;
use std::path::Path;
use std::process::{self, Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::child;
use crate::workspace::{self, Profile};

/// The folder in the workspace.
const FOLDER: &str = "openapi";

#[derive(Debug, Args)]
pub(crate) struct OpenapiArgs {
    /// Change nothing; fail and show the difference if the files are out of date
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &OpenapiArgs) -> Result<ExitCode> {
    let binary = workspace::build_product(Profile::Dev)?;
    if !args.check {
        write(&binary, Path::new(FOLDER))?;
        return Ok(ExitCode::SUCCESS);
    }
    let fresh = env::temp_dir().join(format!("fairlead-openapi-{}", process::id()));
    let compared = write(&binary, &fresh).and_then(|()| compare(&fresh));
    fs::remove_dir_all(&fresh).with_context(|| format!("cannot remove {}", fresh.display()))?;
    if !compared? {
        bail!("{FOLDER}/ is out of date; write it anew and commit it: cargo xtask openapi");
    }
    Ok(ExitCode::SUCCESS)
}

fn write(binary: &Path, folder: &Path) -> Result<()> {
    let mut command = Command::new(binary);
    child::run(
        command
            .args(["openapi", "--out"])
            .arg(folder)
            .current_dir(workspace::root()),
    )
}

/// Shows how the committed files differ from fresh ones; returns whether they do not.
fn compare(fresh: &Path) -> Result<bool> {
    let mut diff = Command::new("diff");
    diff.args(["--unified", "--recursive", "--new-file", FOLDER])
        .arg(fresh)
        .current_dir(workspace::root());
    Ok(diff.status().context("cannot start diff")?.success())
}
