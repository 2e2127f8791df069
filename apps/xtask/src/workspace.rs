//! Where things are, and cargo.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::child;

/// Returns the workspace's root.
pub(crate) fn root() -> &'static Path {
    // This package is two folders below it.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .and_then(Path::parent)
        .expect("apps/xtask has a grandparent")
}

/// Returns a cargo command as a shell in the workspace's root would run it.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo and CI systems speak to us by the environment"
)]
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // `cargo run` describes this package to us. Passed on, build scripts elsewhere would see a change and run again.
    for (name, _) in env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            cargo.env_remove(name);
        }
    }
    // CI begins with an empty folder and compiles nothing twice, so what speeds that up only costs time.
    if env::var_os("CI").is_some() {
        cargo.env("CARGO_INCREMENTAL", "0");
    }
    cargo.current_dir(root());
    cargo
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
    /// What is deployed.
    Dist,
}

impl Profile {
    /// Where cargo puts what it builds.
    fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
            Self::Dist => "dist",
        }
    }
}

/// Builds the product and returns its binary.
///
/// Built as a part of the workspace and not alone, so that its dependencies have the features, and thus are the
/// very artefacts, that the tests are built from.
pub(crate) fn build_product(profile: Profile) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--workspace", "--bin", "fairlead"]);
    if profile != Profile::Dev {
        build.args(["--profile", profile.folder(), "--features", "fairlead/jemalloc"]);
    }
    child::run(&mut build)?;
    binary(profile, "fairlead")
}

/// Builds a program that is made for tests and measurements alone.
pub(crate) fn build_tool(profile: Profile, name: &str) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--workspace", "--bin", name]);
    if profile != Profile::Dev {
        build.args(["--profile", profile.folder()]);
    }
    child::run(&mut build)?;
    binary(profile, name)
}

/// Returns where cargo puts a binary of the workspace: beside this one.
pub(crate) fn binary(profile: Profile, name: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("cannot find my own binary")?;
    let target = own
        .parent()
        .and_then(Path::parent)
        .context("my own binary is in no target folder")?;
    Ok(target.join(profile.folder()).join(name))
}
