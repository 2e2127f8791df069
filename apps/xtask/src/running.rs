//! What runs in a data folder, written down for `up --detach` and `down`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fairlead_devstack::{ProcessId, Signal, wait_until, write_private};
use serde::{Deserialize, Serialize};

/// Longer than the supervisor grants the server, which is given its time first.
const STOP_LIMIT: Duration = Duration::from_mins(2);

/// The content of `up.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Running {
    /// The `xtask` that owns all the rest.
    pub(crate) supervisor: ProcessId,
    pub(crate) server: Option<ProcessId>,
    pub(crate) url: String,
    /// Whether the server answers and `dev.json` is written.
    pub(crate) is_ready: bool,
}

impl Running {
    /// Returns what runs in the folder; `None` if nothing does.
    pub(crate) fn load(data_dir: &Path) -> Result<Option<Self>> {
        let path = path(data_dir);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let running: Self =
            serde_json::from_str(&text).with_context(|| format!("cannot understand {}", path.display()))?;
        Ok(Some(running).filter(|running| running.processes().any(ProcessId::is_alive)))
    }

    pub(crate) fn save(&self, data_dir: &Path) -> Result<()> {
        Ok(write_private(&path(data_dir), &serde_json::to_string(self)?)?)
    }

    pub(crate) fn forget(data_dir: &Path) -> Result<()> {
        let path = path(data_dir);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    /// Stops the supervisor, which stops the rest, and then the server, in case the supervisor was killed before.
    pub(crate) fn stop(&self) -> Result<()> {
        for process in self.processes() {
            process.signal(Signal::Terminate);
            if !wait_until(STOP_LIMIT, || !process.is_alive()) {
                process.signal(Signal::Kill);
            }
        }
        if self.processes().any(ProcessId::is_alive) {
            bail!(
                "process {} cannot be stopped; it may be another user's",
                self.supervisor.pid()
            );
        }
        Ok(())
    }

    fn processes(&self) -> impl Iterator<Item = ProcessId> {
        [self.supervisor].into_iter().chain(self.server)
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("up.json")
}
