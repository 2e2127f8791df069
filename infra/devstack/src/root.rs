//! The folder of a stack, and who owns it.

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::{During as _, StackError};
use crate::folder;
use crate::lock::Lock;
use crate::password::{Password, hex, random};
use crate::state::State;
use crate::sweep::sweep;

/// The folders that services keep their files in.
const FOLDERS: [&str; 5] = ["postgres", "replica", "redis", "rabbitmq", "epmd"];

/// Where a stack keeps its files.
#[derive(Clone, Debug)]
pub enum Root {
    /// A new folder that goes when the stack goes.
    Temporary,
    /// A folder whose data the next start finds again.
    Persistent(PathBuf),
}

/// A stack's folder, held by this process alone.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) folder: PathBuf,
    pub(crate) is_temporary: bool,
    pub(crate) account: Account,
    pub(crate) state: State,
    pub(crate) lock: Lock,
}

impl Home {
    pub(crate) fn open(root: Root) -> Result<Self, StackError> {
        let (folder, is_temporary) = match root {
            Root::Temporary => (make_temporary()?, true),
            Root::Persistent(folder) => (make_persistent(&folder)?, false),
        };
        let lock = Lock::take(&folder)?;
        let known = State::load(&folder)?;
        let account = Account::choose(known.as_ref().and_then(|state| state.account.as_deref()))?;
        let place = place(&folder, &account)?;
        let (password, ports) = match known {
            Some(state) => (state.password, state.ports),
            None => (Password::generate()?, [].into()),
        };
        let name = account.name().map(str::to_owned);
        let state = State {
            place,
            account: name,
            password,
            ports,
        };
        state.save(&folder)?;
        Ok(Self {
            folder,
            is_temporary,
            account,
            state,
            lock,
        })
    }
}

/// Removes all that a stack keeps in its folder, unless a living owner holds it; what others put there stays.
pub fn erase(root: &Path) -> Result<(), StackError> {
    let Some(State { place, .. }) = State::load(root)? else {
        return Ok(());
    };
    let lock = Lock::take(root)?;
    sweep(&place)?;
    for name in FOLDERS {
        folder::remove(&place.join(name))?;
    }
    State::remove(root)?;
    lock.remove()?;
    for folder in [&place, root] {
        // One that is not empty, or was removed just now as the other one, is fine.
        drop(fs::remove_dir(folder));
    }
    Ok(())
}

fn make_temporary() -> Result<PathBuf, StackError> {
    let account = Account::choose(None)?;
    let name = random::<6>().map(|bytes| format!("fairlead-{}", hex(&bytes)));
    let name = name.during(|| "read /dev/urandom".to_owned())?;
    let wanted = env::temp_dir();
    let base = if account.reaches(&wanted) {
        wanted
    } else {
        PathBuf::from("/var/tmp")
    };
    make_enterable(&base.join(name))
}

fn make_persistent(folder: &Path) -> Result<PathBuf, StackError> {
    if !folder.exists() {
        let parent = folder.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).during(|| format!("create {}", parent.display()))?;
        make_enterable(folder)?;
    }
    folder
        .canonicalize()
        .during(|| format!("find {}", folder.display()))
}

/// Makes a folder nobody can list, but through which the service user reaches its own folders in it.
fn make_enterable(folder: &Path) -> Result<PathBuf, StackError> {
    DirBuilder::new()
        .mode(0o711)
        .create(folder)
        .during(|| format!("create {}", folder.display()))?;
    Ok(folder.to_owned())
}

/// Returns the folder for the services' files: the stack's own, or, where the service user cannot get there
/// (a data folder below `/root`), one named after it in `/var/tmp`.
fn place(folder: &Path, account: &Account) -> Result<PathBuf, StackError> {
    if account.reaches(folder) {
        return Ok(folder.to_owned());
    }
    let place = PathBuf::from(format!("/var/tmp/fairlead-{:016x}", fingerprint(folder)));
    folder::make_for(account, &place)?;
    // Anybody can guess the name, and anybody can write to /var/tmp.
    let found = fs::symlink_metadata(&place).during(|| format!("look at {}", place.display()))?;
    let is_ours = found.is_dir() && found.mode() & 0o777 == 0o700 && account.owns(&found);
    if is_ours {
        Ok(place)
    } else {
        Err(StackError::ForeignFolder { folder: place })
    }
}

/// FNV-1a: the same in each build and each Rust release, unlike the standard library's hasher.
fn fingerprint(path: &Path) -> u64 {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
