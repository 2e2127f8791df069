//! The files of the keys.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use super::{KeyFault, KeyRingError, SigningKey};

const MOMENT: &[BorrowedFormatItem<'_>] =
    format_description!(version = 2, "[year][month][day]T[hour][minute][second]Z");
const EXTENSION: &str = "pem";
/// A key is about 120 bytes; nothing longer is read.
const MAX_FILE_BYTES: u64 = 16 << 10;

pub(super) fn create(folder: &Path) -> Result<(), KeyRingError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| io_error("create", folder, source))
}

/// Lists the keys in a folder, in no order; a folder that is not there has none.
pub(super) fn list(folder: &Path) -> Result<Vec<(OffsetDateTime, PathBuf)>, KeyRingError> {
    let failed = |source| io_error("read", folder, source);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut keys = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            let moment = moment(&path);
            keys.push((moment.ok_or_else(|| unusable(&path, KeyFault::Name))?, path));
        }
    }
    Ok(keys)
}

pub(super) fn read_key(path: &Path, signs_from: OffsetDateTime) -> Result<SigningKey, KeyRingError> {
    let failed = |source| io_error("read", path, source);
    let file = File::open(path).map_err(failed)?;
    check_access(path, &file)?;
    let mut pem = String::new();
    match file.take(MAX_FILE_BYTES).read_to_string(&mut pem) {
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            return Err(unusable(path, KeyFault::Content));
        }
        read => read.map_err(failed)?,
    };
    SigningKey::from_pem(&pem, signs_from).map_err(|fault| unusable(path, fault))
}

/// Adds a key; another process never sees half of one, and a key that is there is never replaced.
pub(super) fn write_key(
    folder: &Path,
    signs_from: OffsetDateTime,
    pem: &str,
) -> Result<PathBuf, KeyRingError> {
    let path = path(folder, signs_from);
    let draft = folder.join(format!(".{:032x}.draft", rand::random::<u128>()));
    let written = write_draft(&draft, pem).and_then(|()| fs::hard_link(&draft, &path));
    // The draft may not have come to be.
    let _ = fs::remove_file(&draft);
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(KeyRingError::Exists { path }),
        written => written
            .map(|()| path.clone())
            .map_err(|source| io_error("write", &path, source)),
    }
}

pub(super) fn delete_key(folder: &Path, signs_from: OffsetDateTime) -> Result<(), KeyRingError> {
    let path = path(folder, signs_from);
    match fs::remove_file(&path) {
        // Another process pruned it.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|source| io_error("delete", &path, source)),
    }
}

/// File names have whole seconds.
pub(super) fn whole_second_before(moment: OffsetDateTime) -> OffsetDateTime {
    moment.truncate_to_second()
}

pub(super) fn whole_second_from(moment: OffsetDateTime) -> OffsetDateTime {
    let before = whole_second_before(moment);
    if before == moment {
        before
    } else {
        before + Duration::SECOND
    }
}

fn path(folder: &Path, signs_from: OffsetDateTime) -> PathBuf {
    let name = signs_from
        .to_utc()
        .format(MOMENT)
        .expect("a moment of this era has all parts of the name");
    folder.join(name).with_extension(EXTENSION)
}

fn moment(path: &Path) -> Option<OffsetDateTime> {
    let stem = path.file_stem()?.to_str()?;
    PrimitiveDateTime::parse(stem, MOMENT)
        .ok()
        .map(PrimitiveDateTime::assume_utc)
}

fn write_draft(draft: &Path, pem: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()
}

/// Refuses a key that others could read, or could have put there. Like PostgreSQL for its TLS key, it accepts a file of
/// root's that our group may read: so a secret store mounts it for a process that is not root.
fn check_access(path: &Path, file: &File) -> Result<(), KeyRingError> {
    let metadata = file.metadata().map_err(|source| io_error("read", path, source))?;
    let us = rustix::process::geteuid().as_raw();
    let owner = metadata.uid();
    let (forbidden, mode) = if owner == us {
        (0o077, "600")
    } else {
        (0o037, "640")
    };
    let fault = if owner != us && owner != 0 {
        KeyFault::Owner {
            owner,
            us,
            path: path.to_owned(),
        }
    } else if metadata.mode() & forbidden != 0 {
        KeyFault::Permissions {
            mode,
            path: path.to_owned(),
        }
    } else {
        return Ok(());
    };
    Err(unusable(path, fault))
}

fn unusable(path: &Path, source: KeyFault) -> KeyRingError {
    KeyRingError::Unusable {
        path: path.to_owned(),
        source,
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> KeyRingError {
    KeyRingError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
