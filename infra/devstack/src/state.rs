//! What a stack remembers in its folder from one start to the next.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{During as _, StackError};
use crate::folder::write_private;
use crate::password::Password;

/// The content of `stack.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct State {
    /// Where the services keep their files; another folder if the service user cannot reach this one.
    pub(crate) place: PathBuf,
    /// The user the services run as; absent if that is the owner.
    pub(crate) account: Option<String>,
    /// The secret of each service: of PostgreSQL's superuser, of Redis, of RabbitMQ's administrator.
    pub(crate) password: Password,
    pub(crate) ports: BTreeMap<String, u16>,
}

impl State {
    pub(crate) fn load(folder: &Path) -> Result<Option<Self>, StackError> {
        let path = path(folder);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.during(|| format!("read {}", path.display()))?,
        };
        let parsed = serde_json::from_str(&text).map_err(io::Error::from);
        parsed
            .map(Some)
            .during(|| format!("understand {}", path.display()))
    }

    pub(crate) fn save(&self, folder: &Path) -> Result<(), StackError> {
        let path = path(folder);
        let text = serde_json::to_string_pretty(self).map_err(io::Error::from);
        write_private(&path, &text.during(|| format!("write {}", path.display()))?)
    }

    pub(crate) fn remove(folder: &Path) -> Result<(), StackError> {
        let path = path(folder);
        fs::remove_file(&path).during(|| format!("remove {}", path.display()))
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("stack.json")
}
