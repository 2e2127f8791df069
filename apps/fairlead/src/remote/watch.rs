//! Watches an operation to its end.
//!
//! Who stops watching does not stop the operation: it is the server's by now. So Ctrl-C says how to come back to it, and
//! how to stop it, as those of other platforms do whose work goes on elsewhere.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use fairlead_http::{ApiError, ApiEvent, ApiEvents};
use serde_json::json;
use tokio::signal::ctrl_c;
use tokio::time::{Instant, sleep, timeout};

use super::bar::RowsBar;
use super::{Operation, Remote, operation_path};
use crate::output;

/// For so long a server may be away. The operation goes on meanwhile, and so it is no use to give up sooner.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_secs(2);
/// A stream that says nothing of the operation for so long is left, and the server is asked.
const QUIET: Duration = Duration::from_mins(1);
/// How often an operation that has ended is asked for what is told of one by itself alone.
const TRIES: u32 = 3;
/// What a shell takes for: ended by Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// In which form a command tells what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    ForPeople,
    /// A line for each thing that happens.
    JsonLines,
}

impl Form {
    /// As `--json` says.
    pub(crate) fn of_json(json: bool) -> Self {
        if json { Self::JsonLines } else { Self::ForPeople }
    }
}

/// How watching ended.
#[derive(Debug)]
pub(crate) enum Watched {
    Ended(Box<Operation>),
    /// By Ctrl-C; the operation goes on.
    Left,
}

/// Watches until the operation has ended, or somebody presses Ctrl-C.
pub(crate) async fn watch(remote: &mut Remote, begun: Operation, form: Form) -> anyhow::Result<Watched> {
    let id = begun.view.id.clone();
    tokio::select! {
        pressed = ctrl_c() => {
            pressed?;
            Ok(Watched::Left)
        }
        ended = to_the_end(remote, begun, form) => {
            let ended = ended.with_context(|| {
                format!("cannot watch it any more; the server may go on with operation {id}")
            })?;
            Ok(Watched::Ended(Box::new(ended)))
        }
    }
}

/// Says what can be done about an operation that is not watched any more.
pub(crate) fn left(id: &str) -> ExitCode {
    output::progress(&format!(
        "The server goes on with it.\n  to watch it again  fairlead operations watch {id}\n  \
         to stop it         fairlead operations cancel {id}"
    ));
    ExitCode::from(INTERRUPTED)
}

/// An operation that was watched to its end, with its log and its faults. Where those cannot be had it is as it was seen
/// last: that tells what has come of it.
pub(crate) async fn story(remote: &mut Remote, end: Operation) -> Operation {
    let path = operation_path(&end.view.id);
    let told = tokio::select! {
        _ = ctrl_c() => None,
        told = newest(remote, &path) => told,
    };
    told.unwrap_or_else(|| {
        let id = &end.view.id;
        output::progress(&format!(
            "Its log and its faults cannot be read now: fairlead operations show {id}"
        ));
        end
    })
}

/// An operation that has ended, as the server tells it now; `None`: it tells nothing.
async fn newest(remote: &mut Remote, path: &str) -> Option<Operation> {
    for attempt in 0..TRIES {
        if attempt > 0 {
            sleep(PAUSE).await;
        }
        match remote.client().get_newest::<Operation>(path).await {
            Ok(story) if story.has_ended() => return Some(story),
            Err(ApiError::Refused(problem)) if problem.status == 401 => {
                // Where that fails too, there is another try.
                let _ = remote.renew().await;
            }
            Ok(_) | Err(_) => {}
        }
    }
    None
}

async fn to_the_end(remote: &mut Remote, begun: Operation, form: Form) -> anyhow::Result<Operation> {
    let path = operation_path(&begun.view.id);
    let show = Shown {
        form,
        bar: RowsBar::new(),
    };
    show.operation(&begun)?;
    let mut last = begun;
    let mut answered = Instant::now();
    while !last.has_ended() {
        match remote.client().events(&format!("{path}/stream")).await {
            Ok(events) => {
                let followed = follow(events, &show, &mut last).await;
                // Until now the server was there, however long ago it said something.
                answered = Instant::now();
                match followed {
                    // It has ended, or the server has sent us away; then it says how it is.
                    Ok(()) => {}
                    Err(error) if error.is::<ApiError>() => sleep(PAUSE).await,
                    Err(error) => return Err(error),
                }
            }
            Err(_) => sleep(PAUSE).await,
        }
        if last.has_ended() {
            break;
        }
        match remote.client().get::<Operation>(&path).await {
            Ok(operation) => {
                answered = Instant::now();
                if operation.told != last.told {
                    show.operation(&operation)?;
                }
                last = operation;
            }
            Err(error) => bear(remote, error, answered, &show).await?,
        }
    }
    Ok(last)
}

/// Follows the stream of an operation for as long as it goes on.
async fn follow(mut events: ApiEvents, show: &Shown, last: &mut Operation) -> anyhow::Result<()> {
    let mut pause = None;
    while let Ok(next) = timeout(QUIET, events.next()).await {
        let Some(ApiEvent { name, data, retry }) = next? else {
            break;
        };
        pause = retry.or(pause);
        if !name.is_empty() {
            let told: Operation =
                serde_json::from_str(&data).map_err(|error| ApiError::Foreign(error.to_string()))?;
            show.operation(&told)?;
            *last = told;
        }
    }
    if let Some(pause) = pause.filter(|_| !last.has_ended()) {
        sleep(pause).await;
    }
    Ok(())
}

/// Gets over what may be over in a moment; what will not is returned.
async fn bear(
    remote: &mut Remote,
    mut error: ApiError,
    answered: Instant,
    show: &Shown,
) -> Result<(), ApiError> {
    if matches!(&error, ApiError::Refused(problem) if problem.status == 401) {
        match remote.renew().await {
            Ok(true) if answered.elapsed() <= PATIENCE => {
                sleep(PAUSE).await;
                return Ok(());
            }
            Ok(_) => return Err(error),
            Err(why) => error = why,
        }
    }
    let may_be_over = match &error {
        ApiError::Refused(problem) => problem.status >= 500 || problem.status == 429,
        ApiError::Unreachable(_) | ApiError::Broken(_) | ApiError::Socket(_) | ApiError::TimedOut => true,
        ApiError::Untrusted(_) | ApiError::Elsewhere(_) | ApiError::Foreign(_) | ApiError::Unsendable(_) => {
            false
        }
    };
    if !may_be_over || answered.elapsed() > PATIENCE {
        return Err(error);
    }
    show.bar.say(&format!("{}; looking again", output::chain(&error)));
    sleep(PAUSE).await;
    Ok(())
}

/// Where progress is shown.
struct Shown {
    form: Form,
    bar: RowsBar,
}

impl Shown {
    fn operation(&self, operation: &Operation) -> anyhow::Result<()> {
        match self.form {
            Form::ForPeople => {
                self.bar.show(operation);
                Ok(())
            }
            Form::JsonLines => {
                let event = if operation.has_ended() {
                    "ended"
                } else {
                    "operation"
                };
                let line = json!({ "event": event, "operation": operation.told });
                output::print(&line.to_string())
            }
        }
    }
}
