//! A line for each request, which whoever runs a server in production wants: what was asked, how it ended, and how long
//! that took. As cheap as it can be: put together in place, and written in lots by a thread.

use std::io::{self, Write as _};
use std::mem::swap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long lines wait for others, as those of the product do.
const LINGER: Duration = Duration::from_millis(2);

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

pub(crate) fn start() {
    thread::spawn(|| {
        let mut lines = Vec::new();
        loop {
            thread::sleep(LINGER);
            // The room is used again.
            swap(
                &mut lines,
                &mut *LINES.lock().unwrap_or_else(PoisonError::into_inner),
            );
            // Nobody is left to be told of a log that cannot be written.
            let _ = io::stderr().write_all(&lines);
            lines.clear();
        }
    });
}

pub(crate) fn add(method: &str, target: &str, status: u16, begun: Instant) {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (took, trace) = (begun.elapsed(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    // A Vec takes everything.
    let _ = writeln!(
        lines,
        r#"{{"at":{},"level":"INFO","message":"request","method":"{method}","target":"{target}","status":{status},"microseconds":{},"trace":"{trace:032x}"}}"#,
        at.as_micros(),
        took.as_micros(),
    );
}
