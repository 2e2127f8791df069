//! `cargo xtask up`

use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fairlead_devstack::erase;

use crate::credentials::DevFile;
use crate::packages::{self, Need};
use crate::phases::Phases;
use crate::running::Running;
use crate::workspace::{self, Profile};
use crate::{detach, http, supervise};

const EXAMPLES: &str = "\
Examples:
  cargo xtask up                              http://127.0.0.1:8080 on an embedded PostgreSQL, with a demo tenant
  cargo xtask up --detach --port 9000         return when it is ready; cargo xtask down stops it
  cargo xtask up --fresh                      begin with empty data
  cargo xtask up --full                       with a streaming replica, Redis and RabbitMQ

Addresses and credentials are printed, and written to dev.json in the data folder.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct UpArgs {
    /// Port of the API
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Folder for database, keys and credentials [default: .fairlead in the workspace]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Remove the data of earlier runs first
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Return when it is ready and leave it running
    #[arg(long)]
    pub(crate) detach: bool,
    /// Add a streaming replica, Redis and RabbitMQ
    #[arg(long)]
    pub(crate) full: bool,
    /// Build with optimisation: slower to build, faster to run
    #[arg(long)]
    pub(crate) release: bool,
    /// Only run what is built; `--detach` starts itself again with this
    #[arg(long, hide = true)]
    pub(crate) supervise: bool,
}

impl UpArgs {
    pub(crate) fn profile(&self) -> Profile {
        if self.release {
            Profile::Release
        } else {
            Profile::Dev
        }
    }
}

pub(crate) fn run(args: &UpArgs) -> Result<ExitCode> {
    let data_dir = data_dir(args.data_dir.as_deref())?;
    if args.supervise {
        return supervise::run(args, &data_dir);
    }
    make_room(args, &data_dir)?;
    packages::ensure(if args.full {
        Need::AllServices
    } else {
        Need::Database
    })?;
    Phases::default().run("building", || workspace::build_product(args.profile()))?;
    if args.detach {
        detach::run(args, &data_dir)
    } else {
        supervise::run(args, &data_dir)
    }
}

/// Returns the data folder as an absolute path; one that was given is relative to the current folder.
pub(crate) fn data_dir(given: Option<&Path>) -> Result<PathBuf> {
    match given {
        Some(folder) => Ok(env::current_dir()
            .context("cannot find the current folder")?
            .join(folder)),
        None => Ok(workspace::root().join(".fairlead")),
    }
}

/// Makes sure that nobody else uses the folder or the port.
fn make_room(args: &UpArgs, data_dir: &Path) -> Result<()> {
    if let Some(running) = Running::load(data_dir)? {
        if running.supervisor.is_alive() {
            bail!(
                "{} is served at {} already; stop that first: cargo xtask down --data-dir {0}",
                data_dir.display(),
                running.url
            );
        }
        Phases::default().run("stopping what a killed run left", || running.stop())?;
    }
    http::check_free(args.port)?;
    if args.fresh {
        erase(data_dir)?;
        DevFile::forget(data_dir)?;
    }
    if !data_dir.exists() {
        let parent = data_dir.parent().unwrap_or(data_dir);
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        // The service user passes through it, but nobody lists it.
        let made = DirBuilder::new().mode(0o711).create(data_dir);
        made.with_context(|| format!("cannot create {}", data_dir.display()))?;
    }
    Ok(())
}
