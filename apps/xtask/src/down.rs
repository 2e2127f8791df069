//! `cargo xtask down`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::phases::Phases;
use crate::running::Running;
use crate::up;

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// Data folder that was given to `up` [default: .fairlead in the workspace]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(crate) fn run(args: &DownArgs) -> Result<ExitCode> {
    let data_dir = up::data_dir(args.data_dir.as_deref())?;
    let Some(running) = Running::load(&data_dir)? else {
        eprintln!("nothing runs in {}", data_dir.display());
        return Ok(ExitCode::SUCCESS);
    };
    Phases::default().run("stopping", || running.stop())?;
    eprintln!("stopped; the data stay in {}", data_dir.display());
    Ok(ExitCode::SUCCESS)
}
