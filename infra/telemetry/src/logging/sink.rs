//! Where lines go: standard error, in lots.

use std::io::{self, Write as _};
use std::mem::{replace, take};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// How long lines may wait for others to be written with. One call to the system for each line costs more than all the
/// rest of it.
const LINGER: Duration = Duration::from_millis(2);
/// When so many bytes wait, who adds a line writes them all: a disk that is busy for a moment keeps nobody waiting, and
/// one that takes less than is logged slows its cause down before it fills the memory.
const FULL: usize = 4 << 20;
/// Room that is kept for the next lot.
const KEPT: usize = 512 << 10;

static SINK: Sink = Sink {
    waiting: Mutex::new(Waiting {
        lines: Vec::new(),
        is_idle: false,
    }),
    work: Condvar::new(),
    output: Mutex::new(()),
};
static WRITER: OnceLock<bool> = OnceLock::new();

struct Sink {
    waiting: Mutex<Waiting>,
    /// There are lines again.
    work: Condvar,
    /// Held by whoever writes, from before lines are taken: so none overtakes another.
    output: Mutex<()>,
}

struct Waiting {
    lines: Vec<u8>,
    /// The writer sleeps until there are lines.
    is_idle: bool,
}

/// Starts the thread that writes. Without it, every line is written by who logs it.
pub(super) fn start() {
    WRITER.get_or_init(|| {
        let writer = thread::Builder::new().name("log".to_owned());
        writer.spawn(|| SINK.write_for_ever()).is_ok()
    });
}

/// Takes a whole line. An urgent one is written, after all those before it, before this returns.
pub(super) fn write(line: &[u8], is_urgent: bool) {
    let mut waiting = SINK.waiting();
    waiting.lines.extend_from_slice(line);
    let must_write = is_urgent || waiting.lines.len() >= FULL || !WRITER.get().copied().unwrap_or_default();
    if !must_write && replace(&mut waiting.is_idle, false) {
        SINK.work.notify_one();
    }
    drop(waiting);
    if must_write {
        SINK.flush();
    }
}

/// Writes what waits.
pub(super) fn flush() {
    SINK.flush();
}

impl Sink {
    fn write_for_ever(&self) {
        loop {
            let mut waiting = self.waiting();
            while waiting.lines.is_empty() {
                waiting.is_idle = true;
                waiting = self.work.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            waiting.is_idle = false;
            drop(waiting);
            thread::sleep(LINGER);
            self.flush();
        }
    }

    fn flush(&self) {
        let _output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = take(&mut self.waiting().lines);
        let mut error = io::stderr();
        if error.write_all(&lines).is_err() {
            // A log that cannot be written must not end the work that it tells of, and there is nobody left to tell. What
            // is written next begins a line of its own, in case that only a part was.
            let _ = error.write_all(b"\n");
        }
        lines.clear();
        let mut waiting = self.waiting();
        // The room is used again, unless there are lines already, or it was for far too many.
        if waiting.lines.is_empty() && (waiting.lines.capacity()..=KEPT).contains(&lines.capacity()) {
            waiting.lines = lines;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
