//! How many files may be open.

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process, and all that it starts from now on, have so many files open.
pub(crate) fn raise(wanted: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum.map(|maximum| maximum.max(wanted)),
    };
    setrlimit(Resource::Nofile, raised)
        .with_context(|| format!("{wanted} open files are needed: raise the limit (ulimit -n {wanted})"))
}
