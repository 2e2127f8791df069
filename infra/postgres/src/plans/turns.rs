use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::store::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How many connections a process plans on at once, whatever it is that is planned.
const AT_ONCE: usize = 4;
/// How long whoever has time waits for a turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// All turns to plan something there are in a process.
#[derive(Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

/// One of them: given back once the server has ended what it was for.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Turns {
    /// Waits for a turn; `None`: all others are under way for so long.
    pub(super) async fn within(&self, wait: Duration) -> Option<Turn> {
        let permit = timeout(wait, Arc::clone(&self.0).acquire_owned()).await;
        let permit = permit.ok()?.ok()?;
        Some(Turn { _permit: permit })
    }

    /// # Errors
    ///
    /// When none was given back for seconds.
    pub(crate) async fn wait(&self) -> Result<Turn, StoreError> {
        self.within(PATIENCE).await.ok_or(StoreError::Contended)
    }
}
