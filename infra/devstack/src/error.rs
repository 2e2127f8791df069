//! What can go wrong with a private service, and how to mend it.

use std::io;
use std::path::PathBuf;

use crate::service::Service;

/// Why a private service cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error("{what} not found; install it: apt-get install -y --no-install-recommends {packages}")]
    Missing {
        what: &'static str,
        packages: &'static str,
    },

    #[error(
        "services do not run as root, and neither of the users `postgres` and `nobody` exists; add one: useradd --system postgres"
    )]
    NoAccount,

    #[error(
        "{} is in use by process {}; stop that one (`cargo xtask down`) or choose another data folder",
        folder.display(), owner.map_or_else(|| "(unknown)".to_owned(), |pid| pid.to_string())
    )]
    InUse { folder: PathBuf, owner: Option<u32> },

    #[error(
        "{} was made by PostgreSQL {made_by}, which is not installed; install it (apt-get install -y \
         --no-install-recommends postgresql-{made_by}) or start anew (`cargo xtask up --fresh`)",
        folder.display()
    )]
    OtherMajor { folder: PathBuf, made_by: u32 },

    #[error("{} belongs to somebody else; remove it or choose another data folder", folder.display())]
    ForeignFolder { folder: PathBuf },

    #[error("no free port on 127.0.0.1 between {first} and {last}")]
    NoPort { first: u16, last: u16 },

    #[error("{program} failed: {output}")]
    Failed { program: &'static str, output: String },

    #[error("{program} stopped while starting; its log ends:\n{log}")]
    StoppedEarly { program: &'static str, log: String },

    #[error("{program} does not answer after {waited_seconds} s; its log ends:\n{log}")]
    NotReady {
        program: &'static str,
        waited_seconds: u64,
        log: String,
    },

    #[error("SQL failed in database {database}: {message}")]
    Sql { database: String, message: String },

    #[error("{0} has not been started")]
    NotStarted(Service),

    #[error("the private services have been stopped")]
    Closed,

    #[error("no database is running in {}; start one: cargo xtask up", folder.display())]
    NotRunning { folder: PathBuf },

    #[error(
        "FAIRLEAD_TEST_CONTROL is not set, so there are no private services; run the tests by `cargo xtask test`"
    )]
    NoTestRun,

    /// The owner of the services, another process, could not start one; the text is its whole cause chain.
    #[error("the owner of the private services says: {0}")]
    Refused(String),

    #[error("cannot {action}")]
    Io { action: String, source: io::Error },
}

/// Says what was being done when the operating system refused.
pub(crate) trait During<T> {
    fn during(self, action: impl FnOnce() -> String) -> Result<T, StackError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, action: impl FnOnce() -> String) -> Result<T, StackError> {
        self.map_err(|source| StackError::Io {
            action: action(),
            source,
        })
    }
}
