use std::future::Future;

use tokio::task::JoinHandle;
use tracing::{Instrument as _, Span};

use crate::request;

/// Starts a task that keeps the current span and request, so that what it logs and costs is put down to them.
#[expect(clippy::disallowed_methods, reason = "the one place where tasks are spawned")]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let future = future.instrument(Span::current());
    match request::current() {
        Some(context) => tokio::spawn(request::scope(context, future)),
        None => tokio::spawn(future),
    }
}

/// Runs `work` on a thread where it may block or compute for long, with the current span and request.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where blocking work is started"
)]
pub fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let span = Span::current();
    let context = request::current();
    tokio::task::spawn_blocking(move || {
        span.in_scope(|| match context {
            Some(context) => request::sync_scope(context, work),
            None => work(),
        })
    })
}
