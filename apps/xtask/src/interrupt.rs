//! Ctrl-C and its kin: a wish to stop, granted in order.

use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};

/// What a shell reports of a program that Ctrl-C ended.
const STATUS: u8 = 130;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT, SIGTERM and SIGHUP ask us to stop; a second one ends us at once.
///
/// Even then the private services stop: their watchdog sees us end.
pub(crate) fn watch() -> Result<()> {
    let handler = || {
        if REQUESTED.swap(true, Ordering::Relaxed) {
            process::exit(i32::from(STATUS));
        }
        eprintln!("\nstopping …");
    };
    ctrlc::set_handler(handler).context("cannot watch for Ctrl-C")
}

pub(crate) fn is_requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Fails if we were asked to stop.
pub(crate) fn check() -> Result<()> {
    if is_requested() {
        bail!("interrupted");
    }
    Ok(())
}

pub(crate) fn exit_code() -> ExitCode {
    ExitCode::from(STATUS)
}
