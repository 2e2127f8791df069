use super::MAX_TRANSCRIPT;
use crate::ai::{Asker, Degraded, Prepared, Recording, Said};
use crate::store::{StoreError, UnitOfWork};
use crate::text;

/// A recording, about to be written down.
#[derive(Debug)]
pub struct Listening(Prepared);

/// What was said in a recording, and what it has taken to find out.
#[derive(Debug)]
pub struct Transcript(Said);

/// Why nobody knows what was said in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTranscribed {
    #[error("nobody is configured who could listen to a recording")]
    NotConfigured,
    #[error("the tenant has used up what it may spend on models in a month")]
    BudgetSpent,
    #[error("the provider does not answer, or not with words")]
    Unavailable,
}

/// Reserves what it may take to have a recording written down. The unit of work is to be committed before anybody is asked.
pub async fn begin_listening(
    uow: &mut dyn UnitOfWork,
    asker: &Asker,
    recording: Recording,
) -> Result<Listening, StoreError> {
    let prepared = asker.prepare_recording(uow, "transcribe", recording).await?;
    Ok(Listening(prepared))
}

impl Listening {
    /// Asks. No unit of work may be open meanwhile.
    pub async fn ask(self) -> Transcript {
        Transcript(self.0.ask().await)
    }
}

impl Transcript {
    /// Writes down what it has taken to ask.
    pub async fn settle(&self, uow: &mut dyn UnitOfWork) -> Result<(), StoreError> {
        self.0.settle(uow).await
    }

    /// What was said; empty: nothing.
    pub fn read(&self) -> Result<String, NotTranscribed> {
        let read = self.0.read(|said| {
            if said.trim().is_empty() {
                return Some(String::new());
            }
            text::prose(said, MAX_TRANSCRIPT).ok()
        });
        read.map_err(|why| match why {
            Degraded::NotConfigured => NotTranscribed::NotConfigured,
            Degraded::BudgetSpent => NotTranscribed::BudgetSpent,
            Degraded::Unavailable(_) | Degraded::InvalidAnswer => NotTranscribed::Unavailable,
        })
    }
}
