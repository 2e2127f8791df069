//! Tasks that are there for as long as the process.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::spawn;

/// Before a task that has panicked begins again: at first, and at the most.
const FIRST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_mins(1);

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Starts a task that nobody waits for and much depends on. Where it panics, that is told and counted, and it begins
/// again after a while: an error in one of them must not end in silence what it is there for, while the process answers
/// as if all were well. It ends when what it does comes to its end, or when it is aborted.
///
/// What is shared between one life of it and the next must hold after a panic anywhere in it.
pub fn spawn_supervised<F>(
    name: &'static str,
    mut begin: impl FnMut() -> F + Send + 'static,
) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    spawn(async move {
        let mut pause = FIRST;
        loop {
            let alive_since = Instant::now();
            let Err(panic) = caught(async { begin().await }).await else {
                return;
            };
            PANICS.fetch_add(1, Ordering::Relaxed);
            if alive_since.elapsed() > MOST {
                pause = FIRST;
            }
            tracing::error!(
                task = name,
                panic = message(&*panic),
                again_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                "a task in the background has panicked; it begins again"
            );
            sleep(pause).await;
            pause = MOST.min(pause * 2);
        }
    })
}

/// How often supervised tasks of this process have panicked.
pub fn background_panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

async fn caught(future: impl Future<Output = ()>) -> Result<(), Box<dyn Any + Send>> {
    let mut future = pin!(future);
    // What panicked is polled no more.
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.map_or_else(|panic| Poll::Ready(Err(panic)), |polled| polled.map(Ok))
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it says nothing")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_begins_again() {
        let begun = Arc::new(AtomicU32::new(0));
        let lives = Arc::clone(&begun);

        let before = background_panics();
        let task = spawn_supervised("unlucky", move || {
            let life = lives.fetch_add(1, Ordering::SeqCst);
            async move {
                sleep(Duration::from_millis(1)).await;
                assert!(life > 0, "the first is not the last");
            }
        });

        task.await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 2);
        assert!(background_panics() > before);
    }

    #[tokio::test]
    async fn what_is_aborted_ends_with_what_it_holds() {
        let (held, begun) = (Arc::new(()), Arc::new(Notify::new()));
        let (kept, note) = (Arc::clone(&held), Arc::clone(&begun));
        let task = spawn_supervised("patient", move || {
            let (kept, note) = (Arc::clone(&kept), Arc::clone(&note));
            async move {
                note.notify_one();
                sleep(Duration::from_hours(1)).await;
                drop(kept);
            }
        });

        begun.notified().await;
        task.abort();
        let _ = task.await;

        assert_eq!(Arc::strong_count(&held), 1);
    }
}
