//! What people say is to be done.
//!
//! What was said is told by a model, or by a grammar where none answers, and is a [`VoiceCommand`] in the words it was said
//! with. Whom these words mean is found out in the tenant, and what the caller may not do is not done: a [`VoiceAction`] is
//! done by the use cases that everything else is done by, under the caller's own permits. So whatever a model is made to say
//! can do no more than its caller can. What ends something, takes a lead from somebody, or might mean another one is done
//! when the caller says so once more.

mod action;
mod command;
mod grammar;
mod prompt;
mod resolve;
#[cfg(test)]
mod tests;
mod transcript;

pub use action::{Outcome, TheLead, VoiceAction, execute};
pub use command::{CommandType, VoiceCommand, Whom};
pub use prompt::{Heard, Hearing, begin_hearing};
pub use resolve::{Doubt, MAX_CHOICES, Resolved, resolve};
pub use transcript::{Listening, NotTranscribed, Transcript, begin_listening};

use crate::access::Denied;
use crate::activities::LogActivityError;
use crate::events::{Aggregate, Recorded};
use crate::leads::{AssignError, CreateLeadError, UpdateLeadError};
use crate::store::{StoreError, UnitOfWork};

/// The most characters of what is said.
pub const MAX_TRANSCRIPT: usize = 2_000;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum VoiceError {
    #[error(
        "nothing that can be done was understood: leads are created, searched for and counted, a lead gets a note, another \
         status, or another agent"
    )]
    NotUnderstood,
    #[error("no lead has the name that was said")]
    NoSuchLead,
    #[error("no active agent has the name that was said")]
    NoSuchAgent,
    #[error("an API key is nobody whom a lead can be assigned to: name an agent")]
    NobodyIsMe,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Create(#[from] CreateLeadError),
    #[error(transparent)]
    Note(#[from] LogActivityError),
    #[error(transparent)]
    Update(#[from] UpdateLeadError),
    #[error(transparent)]
    Assign(#[from] AssignError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a command fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoiceStatus {
    Success,
    /// Understood, and not done before the caller says so once more.
    Unconfirmed,
    Error,
}

impl VoiceStatus {
    pub const ALL: [Self; 3] = [Self::Success, Self::Unconfirmed, Self::Error];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Unconfirmed => "unconfirmed",
            Self::Error => "error",
        }
    }
}

/// Writes down that somebody has said something, and how that fared; not what was said.
pub fn record(
    uow: &mut dyn UnitOfWork,
    actor: crate::access::Actor,
    command: Option<CommandType>,
    status: VoiceStatus,
    degraded: bool,
) {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Handled {
        command_type: &'static str,
        status: &'static str,
        degraded: bool,
    }
    let id = uow.next_id();
    let handled = Handled {
        command_type: CommandType::name(command),
        status: status.as_str(),
        degraded,
    };
    uow.record(Recorded::new("voice_command_handled", Aggregate::VoiceCommand, id, actor).after(&handled));
}
