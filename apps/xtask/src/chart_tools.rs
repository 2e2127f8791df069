//! The programs that the Helm chart is rendered and checked by.
//!
//! They are packaged for Python alone, so they live in a virtual environment of ours, beside what cargo builds.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::child;

/// Tells tests where the programs are.
pub(crate) const VARIABLE: &str = "FAIRLEAD_TEST_CHART_TOOLS";

const REQUIREMENTS: &str = include_str!("chart_tools.txt");

/// Makes sure that the programs are there, and returns their folder.
pub(crate) fn ensure() -> Result<PathBuf> {
    let folder = folder()?;
    let programs = folder.join("bin");
    // Written last: an environment without it is half of one, and one with another text is out of date.
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(programs);
    }
    eprintln!(
        "── installing what the chart is checked by, in {}",
        folder.display()
    );
    install(&folder, &programs).context(
        "what the chart is checked by cannot be installed; it takes python3 with venv (Debian: python3-venv) and a \
         mirror of PyPI",
    )?;
    fs::write(&installed, REQUIREMENTS).with_context(|| format!("cannot write {}", installed.display()))?;
    Ok(programs)
}

fn install(folder: &Path, programs: &Path) -> Result<()> {
    child::run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(folder),
    )?;
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS)?;
    child::run(
        Command::new(programs.join("python"))
            .args(["-m", "pip", "install", "--quiet", "--no-compile"])
            .args(["--disable-pip-version-check", "--requirement"])
            .arg(requirements),
    )
}

/// Beside the folders of the profiles, in whatever cargo calls the target folder.
fn folder() -> Result<PathBuf> {
    let own = env::current_exe().context("cannot find my own binary")?;
    let target = own
        .parent()
        .and_then(Path::parent)
        .context("my own binary is in no target folder")?;
    Ok(target.join("chart-tools"))
}
