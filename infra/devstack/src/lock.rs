//! A folder has one owner at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use crate::error::{During as _, StackError};
use crate::process::ProcessId;
use crate::wait::wait_until;

/// Longer than the sweep waits before it kills.
const CLEANUP_LIMIT: Duration = Duration::from_mins(1);

/// A lock on a folder, which the kernel drops when its holders have ended, however they end.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    pub(crate) fn take(folder: &Path) -> Result<Self, StackError> {
        let path = folder.join("owner.lock");
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let mut file = opened.during(|| format!("open {}", path.display()))?;
        let mut attempt = Err(TryLockError::WouldBlock);
        // Its owner may have been killed just now; what cleans up after it holds the lock until it is done.
        wait_until(CLEANUP_LIMIT, || {
            attempt = file.try_lock();
            !matches!(attempt, Err(TryLockError::WouldBlock)) || owner(&path).is_some_and(ProcessId::is_alive)
        });
        match attempt {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = owner(&path).map(ProcessId::pid);
                return Err(StackError::InUse {
                    folder: folder.to_owned(),
                    owner,
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).during(|| format!("lock {}", path.display()));
            }
        }
        sign(&mut file).during(|| format!("write {}", path.display()))?;
        Ok(Self { path, file })
    }

    /// Lets go for good: the folder is no stack's any more.
    pub(crate) fn remove(self) -> Result<(), StackError> {
        fs::remove_file(&self.path).during(|| format!("remove {}", self.path.display()))
    }

    /// Returns the lock for another process: it is held until both have let go.
    pub(crate) fn share(&self) -> Result<File, StackError> {
        self.file.try_clone().during(|| "share the lock".to_owned())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file would do, but for a child that another thread is about to start: it still holds a copy.
        drop(self.file.unlock());
    }
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(serde_json::to_string(&ProcessId::of(process::id()))?.as_bytes())
}

fn owner(lock: &Path) -> Option<ProcessId> {
    serde_json::from_str(&fs::read_to_string(lock).ok()?).ok()
}
