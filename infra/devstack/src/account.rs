//! The user that private services run as.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{During as _, StackError};

/// PostgreSQL refuses to run as root, and nothing else here needs to.
#[derive(Clone, Debug)]
pub(crate) enum Account {
    /// We are an ordinary user: services run as we do.
    Own,
    /// We are root: services run as an unprivileged user.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// Chooses the account; `known` is the one that an existing folder was made for.
    pub(crate) fn choose(known: Option<&str>) -> Result<Self, StackError> {
        let own = fs::metadata("/proc/self")
            .during(|| "look at /proc/self".to_owned())?
            .uid();
        if own != 0 {
            return Ok(Self::Own);
        }
        let users = fs::read_to_string("/etc/passwd").during(|| "read /etc/passwd".to_owned())?;
        let mut names = known.into_iter().chain(["postgres", "nobody"]);
        names
            .find_map(|name| Self::find(&users, name))
            .ok_or(StackError::NoAccount)
    }

    fn find(users: &str, name: &str) -> Option<Self> {
        let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let user = fields.into_iter().find(|fields| fields.first() == Some(&name))?;
        Some(Self::Other {
            name: name.to_owned(),
            uid: user.get(2)?.parse().ok()?,
            gid: user.get(3)?.parse().ok()?,
        })
    }

    /// Returns the name of the other user; `None` when services run as ourselves.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Own => None,
            Self::Other { name, .. } => Some(name),
        }
    }

    /// Returns a command that runs `program` as this account, with nothing of our environment and no terminal.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs([
            (
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ),
            ("LC_ALL", "C.UTF-8"),
        ]);
        command.stdin(Stdio::null());
        if let Self::Other { uid, gid, .. } = self {
            // The standard library drops the supplementary groups too when root gives up its user id.
            command.uid(*uid).gid(*gid);
        }
        command
    }

    pub(crate) fn give(&self, path: &Path) -> Result<(), StackError> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid, .. } => {
                chown(path, Some(*uid), Some(*gid)).during(|| format!("give {} away", path.display()))
            }
        }
    }

    pub(crate) fn owns(&self, found: &Metadata) -> bool {
        match self {
            Self::Own => fs::metadata("/proc/self").is_ok_and(|own| own.uid() == found.uid()),
            Self::Other { uid, .. } => *uid == found.uid(),
        }
    }

    /// Returns whether this account may enter `folder`; the mode of each folder above counts, too.
    pub(crate) fn reaches(&self, folder: &Path) -> bool {
        let mut enter = self.command(Path::new("/bin/sh"));
        enter
            .args(["-c", r#"cd -- "$1""#, "reach"])
            .arg(folder)
            .current_dir("/")
            .stderr(Stdio::null());
        enter.status().is_ok_and(|status| status.success())
    }
}
