//! Installed server programs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::StackError;

/// The oldest PostgreSQL whose behaviour the schema counts on.
const OLDEST_MAJOR: u32 = 15;

/// The programs of one PostgreSQL major version.
#[derive(Clone, Debug)]
pub struct PostgresBinaries {
    folder: PathBuf,
    major: u32,
}

impl PostgresBinaries {
    /// Finds the newest server: in `PG_BIN_DIR` alone if that is set, else where Debian has them, else on `PATH`.
    pub fn find() -> Result<Self, StackError> {
        Self::installed()
            .into_iter()
            .max_by_key(|found| found.major)
            .ok_or(StackError::Missing {
                what: "a PostgreSQL server, version 15 or later,",
                packages: "postgresql-15",
            })
    }

    /// Finds the server for a data folder made by one major version: no other can read it.
    pub(crate) fn of_major(major: u32) -> Option<Self> {
        Self::installed().into_iter().find(|found| found.major == major)
    }

    pub fn major(&self) -> u32 {
        self.major
    }

    /// Returns whether `CREATE EXTENSION` would find `name`; `None` if that cannot be told.
    pub fn has_extension(&self, name: &str) -> Option<bool> {
        let output = Command::new(self.program("pg_config"))
            .arg("--sharedir")
            .output()
            .ok()?;
        let share = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        Some(share.join("extension").join(format!("{name}.control")).exists())
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "where programs are is the machine's matter"
    )]
    fn installed() -> Vec<Self> {
        let folders = match env::var_os("PG_BIN_DIR") {
            Some(folder) => vec![PathBuf::from(folder)],
            None => debian_folders().into_iter().chain(path_folders()).collect(),
        };
        let found = folders.into_iter().filter_map(|folder| Self::in_folder(&folder));
        found.filter(|found| found.major >= OLDEST_MAJOR).collect()
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        // Some `PATH`s have links to a few of them.
        if !["initdb", "postgres", "psql", "pg_basebackup"]
            .iter()
            .all(|name| folder.join(name).exists())
        {
            return None;
        }
        // "postgres (PostgreSQL) 15.9 (Debian 15.9-0+deb12u1)"
        let output = Command::new(folder.join("postgres"))
            .arg("--version")
            .output()
            .ok()?;
        let version = String::from_utf8(output.stdout).ok()?;
        let number = version.split_once("(PostgreSQL) ")?.1;
        let major = number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
        Some(Self {
            folder: folder.to_owned(),
            major,
        })
    }
}

pub fn redis_server() -> Result<PathBuf, StackError> {
    on_path("redis-server").ok_or(StackError::Missing {
        what: "redis-server",
        packages: "redis-server",
    })
}

/// Finds RabbitMQ's own start script.
///
/// Not `/usr/sbin/rabbitmq-server`, which switches to the system instance's user and settings.
pub fn rabbitmq_server() -> Result<PathBuf, StackError> {
    let bundled = children(Path::new("/usr/lib/rabbitmq/lib"))
        .into_iter()
        .map(|home| home.join("sbin"));
    let mut folders = [PathBuf::from("/usr/lib/rabbitmq/bin")]
        .into_iter()
        .chain(bundled);
    folders
        .find_map(|folder| Some(folder.join("rabbitmq-server")).filter(|script| script.exists()))
        .ok_or(StackError::Missing {
            what: "RabbitMQ",
            packages: "rabbitmq-server",
        })
}

pub(crate) fn epmd() -> Result<PathBuf, StackError> {
    on_path("epmd").ok_or(StackError::Missing {
        what: "epmd",
        packages: "erlang-base",
    })
}

fn debian_folders() -> Vec<PathBuf> {
    children(Path::new("/usr/lib/postgresql"))
        .into_iter()
        .map(|version| version.join("bin"))
        .collect()
}

fn on_path(program: &str) -> Option<PathBuf> {
    path_folders()
        .into_iter()
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// The folders of `PATH`, and those for servers, which an ordinary user's `PATH` lacks.
#[expect(
    clippy::disallowed_methods,
    reason = "where programs are is the machine's matter"
)]
fn path_folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .collect()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}
