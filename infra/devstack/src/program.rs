//! What a server program needs to be run.

use std::fmt::Debug;
use std::path::Path;
use std::process::Command;

use crate::process::Signal;

/// How one server is run; all but the process itself, so that it can be started again.
pub(crate) trait Program: Debug + Send {
    /// Names the program to people.
    fn name(&self) -> &'static str;

    /// Returns its own folder: working directory, log and process record are there.
    fn folder(&self) -> &Path;

    /// Returns the command that runs it in the foreground, in one process whose death is the service's.
    fn command(&self) -> Command;

    /// Returns the command that steers it while it runs, without its arguments; `None`: there is none.
    fn control(&self) -> Option<Command> {
        None
    }

    /// Returns the signal that makes it end in the way its owner wants.
    fn stop_signal(&self) -> Signal;

    /// Returns whether the process `pid`, just started, can be used now.
    fn answers(&self, pid: u32) -> bool;
}
