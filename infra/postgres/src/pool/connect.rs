//! The first connection of a start.

use std::time::Duration;

use super::target::{BadUrl, Target};
use crate::error::Meaning;
use crate::wire::Error;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the URL of {what} is malformed")]
    Url { what: String, source: BadUrl },
    /// The database answered, and refused: wrong password, no such role or database.
    #[error("the database refuses {what}")]
    Refused { what: String, source: Error },
    #[error("the database was out of reach for {} s", waited.as_secs())]
    Unreachable {
        waited: Duration,
        /// `None` when the last attempt had no answer at all.
        source: Option<Error>,
    },
}

/// Reads a URL; `name` is how PostgreSQL lists the connections.
pub(crate) fn target(what: &str, name: &str, url: &str) -> Result<Target, ConnectError> {
    Target::parse(url, name).map_err(|source| ConnectError::Url {
        what: what.to_owned(),
        source,
    })
}

/// A database that restarts, or starts beside us, is there in a moment; one that refuses us stays so.
pub(crate) async fn wait_for_database(
    what: &str,
    target: &Target,
    patience: Duration,
    retry_every: Duration,
) -> Result<(), ConnectError> {
    let started = tokio::time::Instant::now();
    loop {
        let attempt = tokio::time::timeout_at(started + patience, target.open()).await;
        let source = match attempt {
            Ok(Ok(conversation)) => {
                // It has shown what it was opened for.
                conversation.close().await;
                return Ok(());
            }
            Ok(Err(error))
                if !matches!(
                    Meaning::of(&error),
                    Meaning::Unavailable | Meaning::Interrupted | Meaning::NoRoom
                ) =>
            {
                return Err(ConnectError::Refused {
                    what: what.to_owned(),
                    source: error,
                });
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        if started.elapsed() + retry_every > patience {
            return Err(ConnectError::Unreachable {
                waited: started.elapsed(),
                source,
            });
        }
        tokio::time::sleep(retry_every).await;
    }
}
