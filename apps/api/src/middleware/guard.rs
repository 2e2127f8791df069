use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::edge::foreign;
use crate::problem::{Kind, Problem};

/// Operations that go on for as long as their client reads or writes, or there is work, and bound their own steps.
pub(crate) const EXEMPT: &[&str] = &[
    "/api/v1/events/stream",
    "/api/v1/leads/export",
    "/api/v1/leads/import",
    "/api/v1/performance/cache/warm",
];

/// Whether requests for this path end at a deadline.
pub(super) fn has_deadline(path: &str) -> bool {
    !EXEMPT.contains(&path)
}

/// A handler panicked.
#[derive(Debug, thiserror::Error)]
#[error("panicked: {0}")]
struct Panicked(String);

/// Runs the work of one request, and gives it up when it panics or when its time is over. Then what the handler held is
/// dropped, which undoes its unit of work; nothing it touched is shared.
pub(super) async fn guarded<T>(
    time: Option<Duration>,
    work: impl Future<Output = Result<T, actix_web::Error>>,
) -> Result<T, Problem> {
    let work = AssertUnwindSafe(work).catch_unwind();
    let done = match time {
        Some(time) => match tokio::time::timeout(time, work).await {
            Ok(done) => done,
            Err(elapsed) => return Err(Problem::server(Kind::DeadlineExceeded, elapsed)),
        },
        None => work.await,
    };
    match done {
        Ok(result) => result.map_err(|error| foreign(&error)),
        Err(panic) => Err(Problem::server(Kind::Internal, Panicked(message(&*panic)))),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "with a value that is no text".to_owned())
}
