//! Months of events on disk: a directory for each, with compressed files of one JSON object a line, and a manifest.
//!
//! ```text
//! events-2026-01/manifest.json       what there is, with the SHA-256 of each file, and whether that is all
//! events-2026-01/00001.jsonl.gz      CloudEvents, as the API shows them, ordered by tenant and id
//! events-2026-01.2/…                 what was recorded in that month after it had been written
//! ```
//!
//! A file counts once the manifest names it, and the manifest is replaced as a whole, each after it has reached the
//! disk. So whoever goes on after a crash begins behind the last file that counts, and writes the next one anew.
//!
//! All data of all tenants is in them, so they are the account's alone that the process runs as.

mod manifest;
mod month;

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use fairlead_domain::events::{ArchiveError, ArchivedMonth, EventArchive, EventSet};
use fairlead_telemetry::spawn_blocking;
use time::Date;

use month::open;

/// The archive in a directory.
#[derive(Clone, Debug)]
pub struct FileArchive {
    directory: PathBuf,
}

impl FileArchive {
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }
}

#[async_trait]
impl EventArchive for FileArchive {
    async fn open(&self, month: Date, events: EventSet) -> Result<Box<dyn ArchivedMonth>, ArchiveError> {
        let directory = self.directory.clone();
        let month = blocking(move || open(&directory, month, events)).await?;
        Ok(Box::new(month))
    }
}

/// Has files written where nobody else waits for that.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, ArchiveError> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|fault| ArchiveError(Box::new(fault))),
        Err(error) => Err(ArchiveError(Box::new(error))),
    }
}

/// Makes a directory with those above it, where they are not there.
fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let of_others = path.metadata()?.permissions().mode() & 0o077;
    let is_private = of_others == 0;
    if is_private {
        return Ok(());
    }
    // One that was made with what the account usually gives away.
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Makes a file anew.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // One that is there keeps what it had.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Why a month cannot be written.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{path} cannot be written")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path} is no manifest")]
    Manifest {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{0} is not as long as its manifest says")]
    Damaged(PathBuf),
    #[error("another process is writing {0}")]
    Taken(PathBuf),
}
