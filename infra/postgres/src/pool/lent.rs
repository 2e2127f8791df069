//! A connection in somebody's hands: it finds its way back whatever happens to whoever has it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::Shared;
use super::client::Client;
use super::counts::Counted;
use super::holders::Held;
use super::pipeline::{Answers, Failed, Pipeline};

/// How long a connection may take to settle by itself.
const GRACE: Duration = Duration::from_millis(250);

/// A connection while it is lent.
pub(crate) struct Lent {
    /// `None` once it is on its way back.
    borrowed: Option<Box<Borrowed>>,
}

/// All that goes back together: until then the connection counts as lent.
struct Borrowed {
    client: Client,
    shared: Arc<Shared>,
    held: Held,
    _busy: Counted,
    // Invariant: given back last, so that whoever gets it finds the connection.
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    pub(super) fn new(shared: Arc<Shared>, mut client: Client, permit: OwnedSemaphorePermit) -> Self {
        client.note_use();
        Self {
            borrowed: Some(Box::new(Borrowed {
                client,
                held: shared.counts.hold(),
                _busy: shared.counts.lend(),
                shared,
                _permit: permit,
            })),
        }
    }

    /// Whether the connection lay idle before.
    pub(super) fn was_idle(&self) -> bool {
        self.borrowed
            .as_ref()
            .is_some_and(|borrowed| borrowed.client.was_idle())
    }

    /// Runs a pipeline on it. After one that failed, or was dropped, nothing more can be run.
    pub(crate) async fn run(&mut self, pipeline: &Pipeline<'_>) -> Result<Answers, Failed> {
        let Borrowed { client, held, .. } = &mut **self.borrowed.as_mut().expect("it leaves in `drop` alone");
        client.run(pipeline, held).await
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut borrowed) = self.borrowed.take() else {
            return;
        };
        if borrowed.client.is_settled() {
            borrowed.give_back();
        } else {
            fairlead_telemetry::spawn(borrowed.settle());
        }
    }
}

impl Borrowed {
    /// Ends whatever the borrower left: the connection may be in a transaction, or in the middle of a statement.
    async fn settle(mut self) {
        match timeout(GRACE, self.client.settle()).await {
            Ok(Ok(())) => self.give_back(),
            Ok(Err(_)) => {}
            // The server looks after a connection that was closed only when the statement ends, so it is told. The
            // connection goes all the same: one cannot know whether the word has arrived, or hits whoever comes next.
            Err(_) => {
                let limit = self.shared.config.destroy_timeout;
                let _ = timeout(limit, self.client.give_up(&self.shared.target)).await;
            }
        }
    }

    fn give_back(self) {
        self.shared.idle.put(self.client);
    }
}
