//! Work with a server from a terminal: commands that call the API, as anybody could.

mod bar;
mod connect;
mod operation;
mod upload;
mod watch;

pub(crate) use bar::bytes_bar;
pub(crate) use connect::{Remote, RemoteArgs, UsageError};
pub(crate) use operation::{Operation, encoded, operation_path, parameters};
pub(crate) use upload::{Source, upload};
pub(crate) use watch::{Form, INTERRUPTED, Watched, left, story, watch};
