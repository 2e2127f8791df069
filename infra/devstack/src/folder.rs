//! Folders and files that others cannot look into.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::account::Account;
use crate::error::{During as _, StackError};

/// Writes `text` to a file that only its owner can read, replacing what was there in one step.
pub fn write_private(path: &Path, text: &str) -> Result<(), StackError> {
    replace(path, text).during(|| format!("write {}", path.display()))
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    // A left-over of a crash, whose mode may be another.
    if new.exists() {
        fs::remove_file(&new)?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?
        .write_all(text.as_bytes())?;
    fs::rename(new, path)
}

/// Writes a file that only `account` can read.
pub(crate) fn write_for(account: &Account, path: &Path, text: &str) -> Result<(), StackError> {
    write_private(path, text)?;
    account.give(path)
}

/// Makes a folder that only `account` can enter, unless it is there.
pub(crate) fn make_for(account: &Account, path: &Path) -> Result<(), StackError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => {
            made.during(|| format!("create {}", path.display()))?;
            account.give(path)
        }
    }
}

/// Removes a folder with all it holds; that it is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<(), StackError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.during(|| format!("remove {}", path.display())),
    }
}
